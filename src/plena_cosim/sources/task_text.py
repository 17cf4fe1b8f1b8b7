"""What a model reads of a document of an evaluation task: the prompt and the right answer."""

from __future__ import annotations

from typing import Any

from .errors import TextSourceError
from .eval_task import TaskSplit


def document_text(part: TaskSplit, index: int) -> str:
    """Return prompt and right answer of one document, joined as the task does, without examples.

    Args:
        part: of the task.
        index: of the document.

    Raises:
        TextSourceError: the task cannot make them, for example since the answer is hidden.
    """
    task, document = part.task, part.documents[index]
    try:
        target = task.doc_to_target(document)
        if task.OUTPUT_TYPE == "loglikelihood_rolling":
            return str(target)
        prompt = task.fewshot_context(
            doc=document, num_fewshot=0, gen_prefix=task.doc_to_prefix(document)
        )
        if isinstance(prompt, list):  # one prompt a choice: the text names the right one
            prompt = prompt[task.doc_to_text(document)]
        return str(prompt) + _answer(task, document, target)
    except Exception as error:  # templates and functions of the task
        raise TextSourceError(
            f"task {part.name!r}, document {index} of split {part.split!r}: cannot make prompt and "
            f"answer: {type(error).__name__}: {error}"
        ) from None


def _answer(task: Any, document: dict[str, Any], target: Any) -> str:
    if isinstance(target, list):
        target = target[0]  # several are right
    multiple = task.OUTPUT_TYPE == "multiple_choice" and not task.multiple_input
    if multiple and isinstance(target, int):
        if target < 0:
            raise IndexError(f"the right choice is number {target}")
        target = task.doc_to_choice(document)[target]
    # lm-eval measures a plain log-likelihood without a delimiter: the answer has it.
    joint = "" if task.OUTPUT_TYPE == "loglikelihood" else task.config.target_delimiter
    return f"{joint}{target}"
