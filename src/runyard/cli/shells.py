"""What a shell and the Tab key say to each other: one script for each shell, and how its question is read.

A script sends the line up to the cursor as COMP_WORDS. It gets back, for each thing that fits, its kind (`plain`, or
`file` and `dir`, which the shell completes by itself) and its value. bash replaces only what follows the last of its
word breaks (`:` and `=` are some), and says in COMP_CUR what that is: it is answered with that part of each value.

Importing this module puts the scripts in place of click's own.
"""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

_BASH = r"""
%(complete_func)s() {
    local answer kind value
    COMPREPLY=()
    if [[ $COMP_CWORD -gt 0 && ${COMP_WORDS[COMP_CWORD-1]} == *[\<\>] ]]; then
        compopt -o bashdefault -o default
        return
    fi
    answer=$(env %(complete_var)s=bash_complete COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_CUR="$2" \
        "${1/#\~\//$HOME/}" 2>/dev/null)
    while IFS=, read -r kind value; do
        case $kind in
            plain)
                COMPREPLY+=("$value")
                if [[ $value == *: ]]; then compopt -o nospace; fi
                ;;
            file) compopt -o bashdefault -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done <<<"$answer"
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""

_ZSH = r"""
#compdef %(prog_name)s
%(complete_func)s() {
    local kind value about
    local -a answer open values shown list
    answer=("${(@f)$(env %(complete_var)s=zsh_complete COMP_WORDS="${(j: :)words[1,CURRENT]}" \
        "${words[1]/#\~\//$HOME/}" 2>/dev/null)}")
    for kind value about in "${answer[@]}"; do
        case $kind in
            plain)
                if [[ $value == *: ]]; then
                    open+=("$value")
                else
                    values+=("$value")
                    shown+=("$value${about:+  -- $about}")
                    [[ -z $about ]] || list=(-l)
                fi
                ;;
            file|dir)
                [[ $PREFIX == -*=* ]] && compset -P '*='
                if [[ $kind == dir ]]; then _files -/; else _files; fi
                ;;
        esac
    done
    (( ! $#values )) || compadd $list -V jobs -d shown -a values
    (( ! $#open )) || compadd -V fields -S '' -a open
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = r"""
function %(complete_func)s
    for line in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \
            (commandline -op)[1] 2>/dev/null)
        set -l item (string split -m 1 , -- $line)
        set -l flag (string match -r -- '^-[^=]*=' $item[2])
        set -l path (string replace -- "$flag" '' $item[2])
        switch $item[1]
            case plain
                echo $item[2]
            case file
                string replace -r -- '^' "$flag" (__fish_complete_path "$path")
            case dir
                string replace -r -- '^' "$flag" (__fish_complete_directories "$path" '')
        end
    end
end
complete --no-files --keep-order --command %(prog_name)s --arguments '(%(complete_func)s)'
"""


class _Shell(ShellComplete):
    """Reads the line up to the cursor, and gives whole words."""

    def get_completion_args(self) -> tuple[list[str], str]:
        *words, last = _words(os.environ.get("COMP_WORDS", ""))
        return words[1:], last

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """What fits, each as the whole word that would stand there: `--queue=night`, too."""
        flag = incomplete[: incomplete.find("=") + 1] if incomplete.startswith("-") else ""
        items = super().get_completions(args, incomplete)
        return [CompletionItem(flag + item.value, item.type, item.help) for item in items]


class Bash(_Shell):
    """bash, 4.4 and later."""

    name = "bash"
    source_template = _BASH

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """What fits, less the part of the word that stays as it is."""
        replaced = _words(os.environ.get("COMP_CUR", incomplete))[-1]
        kept = incomplete[: len(incomplete) - len(replaced)] if incomplete.endswith(replaced) else ""
        items = super().get_completions(args, incomplete)
        return [CompletionItem(item.value.removeprefix(kept), item.type) for item in items]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{item.value}"


class Zsh(_Shell):
    """zsh: three lines for each item."""

    name = "zsh"
    source_template = _ZSH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type}\n{item.value}\n{_line(item.help)}"


class Fish(_Shell):
    """fish: what an item is stands behind a tab."""

    name = "fish"
    source_template = _FISH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{item.value}" + (f"\t{_line(item.help)}" if item.help else "")


class Prompt(_Shell):
    """The prompt of `ry shell`, which asks in the same process."""

    name = "prompt"

    def offered(self, line: str) -> tuple[list[CompletionItem[Any]], str]:
        """What fits at the end of this line, and the part of it that each would take the place of."""
        *words, last = _words(line)
        return self.get_completions(words, last), last


for _kind in (Bash, Zsh, Fish):
    add_completion_class(_kind)


def _words(line: str) -> list[str]:
    """The words of a line, without their quotes; the last is the one at the cursor, perhaps empty."""
    *words, last = split_arg_string(line + "x")  # so that there is a last word, and it is the one at the cursor
    return [*words, last[:-1]]


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
