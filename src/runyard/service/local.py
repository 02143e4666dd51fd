"""`api.Service` in the process that owns the store: one small method for each verb, a family of them in each module.

Writing verbs run in a turn of the yard thread and return after its commit; reading ones run in the caller's thread.
"""

from __future__ import annotations

from runyard.service.agent_verbs import AgentVerbs
from runyard.service.code_verbs import CodeVerbs
from runyard.service.hook_verbs import HookVerbs
from runyard.service.job_verbs import JobVerbs
from runyard.service.output_verbs import OutputVerbs
from runyard.service.pause_verbs import PauseVerbs
from runyard.service.place_verbs import PlaceVerbs
from runyard.service.queue_verbs import QueueVerbs
from runyard.service.result_verbs import ResultVerbs
from runyard.service.sweep_verbs import SweepVerbs
from runyard.service.template_verbs import TemplateVerbs
from runyard.service.terminal_verbs import TerminalVerbs
from runyard.service.transfer_verbs import TransferVerbs
from runyard.service.yard_verbs import YardVerbs


class LocalService(
    JobVerbs,
    QueueVerbs,
    PauseVerbs,
    OutputVerbs,
    CodeVerbs,
    ResultVerbs,
    TerminalVerbs,
    YardVerbs,
    TemplateVerbs,
    SweepVerbs,
    HookVerbs,
    TransferVerbs,
    PlaceVerbs,
    AgentVerbs,
):
    """All verbs, as one caller."""
