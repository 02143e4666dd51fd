"""The DAG file for Airflow."""

from __future__ import annotations

import ast

from runyard.pipeline.layout import Layout
from runyard.pipeline.render import airflow
from runyard.pipeline.spec import PipelineJob, PipelineSpec

HOSTILE = """'; import os; os.system("touch owned") #\\ {{ ds }} \"\"\" \n"""


def test_texts_are_texts_whatever_is_in_them() -> None:
    spec = PipelineSpec(
        'it\'s "x" \\', (PipelineJob(HOSTILE.strip(), HOSTILE), PipelineJob("b", "c", (HOSTILE.strip(),)))
    )
    tree = ast.parse(airflow.dag(Layout("/it's/here", spec)))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {HOSTILE.strip(), HOSTILE + "\n", "/it's/here"} <= texts
    assert "system" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_what_an_airflow_user_looks_for() -> None:
    jobs = (PipelineJob("first", "echo first"), PipelineJob("second", "echo second", ("first",), log=False))
    text = airflow.dag(Layout("/run", PipelineSpec("demo", jobs, size=3)))
    assert "jobs['second'].set_upstream(jobs['first'])" in text
    assert "    max_active_tasks=3,\n" in text
    assert "task_id='002-second', name='second', dag=dag, log=False,\n    text='echo second\\n'," in text
