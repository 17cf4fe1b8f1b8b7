"""Engine: each answer is what it would be alone, and what the model itself says."""

from __future__ import annotations

import gc
import random
import threading
import time
import tomllib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.serve.recipes import LINEAR, STOCHASTIC, WHOLE
from transformers import AutoModelForCausalLM

from plena_cosim.passes.recipe.recipe import Phase
from plena_cosim.serve import (
    Engine,
    Limits,
    ModelMaker,
    Piece,
    Request,
    RequestError,
    Sampling,
    Score,
    ServedModel,
    Setting,
)
from plena_cosim.serve.engine import Step


def setting_of(recipe: str | None, numerics: str = "fake") -> Setting:
    body = {"recipe": None} if recipe is None else {"toml": recipe}
    return Setting(base=None).changed({**body, "numerics": numerics})


@contextmanager
def engine_of(
    maker: ModelMaker, served: ServedModel | Setting, *, slow: Slow | None = None, **options: Any
) -> Iterator[Engine]:
    """An engine that is closed at the end; what holds up its model is let go before."""
    if isinstance(served, Setting):
        served = maker.make(served)
    engine = Engine(served, maker.tokenizer, **options)
    del served  # the engine alone keeps it
    try:
        yield engine
    finally:
        if slow is not None:
            slow.remove()
        engine.close()
    assert not [each for each in threading.enumerate() if each.name == "plena-engine"]


def prompt_of(seed: int, *, least: int = 1, most: int = 30) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(1, 61) for _ in range(draw.randint(least, most)))


def requests(count: int) -> list[Request]:
    """Requests of several kinds; some of their prompts have one length, or are the same."""
    found = []
    for seed in range(count):
        found.append(
            Request(
                prompts=tuple(prompt_of(seed % 3 + number) for number in range(1 + seed % 2)),
                n=1 + seed % 3 // 2,
                max_tokens=2 + seed,
                sampling=Sampling(temperature=(0.0, 0.7, 1.5)[seed % 3], top_p=0.9, seed=seed),
                stop=("w7",) if seed % 4 == 0 else (),
                logprobs=3,
                echo=seed % 5 == 0,
            )
        )
    return found


SETTINGS = {
    "float": (setting_of(None), 12),
    "fake": (setting_of(WHOLE, "fake"), 5),
    "exact": (setting_of(WHOLE, "exact"), 4),
    "stochastic": (setting_of(STOCHASTIC, "exact"), 4),
}
"""With the number of requests that are made."""


@pytest.mark.parametrize(("setting", "count"), SETTINGS.values(), ids=list(SETTINGS))
def test_an_answer_is_what_it_is_alone(setting: Setting, count: int, maker: ModelMaker) -> None:
    """To the last bit, log probabilities too: pieces are compared as they are."""
    steps: list[Step] = []
    limits = Limits(max_batch=5, max_model_len=64)
    served = maker.make(setting)
    with engine_of(maker, served, limits=limits, on_step=steps.append) as engine:
        streams = [engine.submit(each) for each in requests(count)]
        together = [list(stream) for stream in streams]
    assert max(step.choices for step in steps) == 5
    assert {step.phase for step in steps} == {Phase.PREFILL, Phase.DECODE}
    with engine_of(maker, served, limits=limits) as engine:
        for request, pieces in list(zip(requests(count), together, strict=True))[::-1]:
            alone = list(engine.submit(request))  # in the other order, one by one
            for choice in range(request.choices):
                assert of_choice(alone, choice) == of_choice(pieces, choice)


def of_choice(pieces: list[Piece], choice: int) -> list[Piece]:
    return [piece for piece in pieces if piece.choice == choice]


def test_several_prompts_and_choices_are_each_what_one_is(maker: ModelMaker) -> None:
    sampling = Sampling(seed=5)
    prompts = (prompt_of(1), prompt_of(2))
    with engine_of(maker, setting_of(None)) as engine:
        both = list(engine.submit(Request(prompts=prompts, n=2, sampling=sampling)))
        one = list(engine.submit(Request(prompts=prompts[1:], sampling=sampling)))
    texts = [[piece.text for piece in of_choice(both, number)] for number in range(4)]
    assert texts[2] == [piece.text for piece in one]
    assert texts[2] != texts[3]


def reference(model: Any, prompt: tuple[int, ...], tokens: int) -> tuple[list[int], list[float]]:
    """The likeliest tokens, and their log probabilities, by transformers and numpy's way."""
    ids = torch.tensor([prompt])
    made = model.generate(
        ids,
        do_sample=False,
        max_new_tokens=tokens,
        return_dict_in_generate=True,
        output_logits=True,
        pad_token_id=0,
        eos_token_id=None,
    )
    written = made.sequences[0, ids.shape[1] :].tolist()
    rows = [row[0].double().numpy() for row in made.logits]
    import numpy as np

    logprobs = [
        float(row[token] - row.max() - np.log(np.exp(row - row.max()).sum()))
        for row, token in zip(rows, written, strict=True)
    ]
    return written, logprobs


@pytest.mark.parametrize("seed", range(3))
def test_it_writes_what_transformers_does(seed: int, chat_model: Path, maker: ModelMaker) -> None:
    model = AutoModelForCausalLM.from_pretrained(chat_model)
    prompt = prompt_of(seed)
    tokens, logprobs = reference(model, prompt, 12)
    greedy = Sampling(temperature=0)
    request = Request(prompts=(prompt,), max_tokens=12, sampling=greedy, logprobs=2)
    with engine_of(maker, setting_of(None)) as engine:
        pieces = list(engine.submit(request))
    scores = [score for piece in pieces for score in piece.scores]
    assert [score.token for score in scores] == tokens
    assert [score.logprob for score in scores] == pytest.approx(logprobs, abs=1e-12)
    assert all(score.top[0] == (score.token, score.logprob) for score in scores)
    assert "".join(piece.text for piece in pieces).split() == [
        word for word in (maker.tokenizer.decode([token]) for token in tokens) if word != "[UNK]"
    ]
    assert [piece.finish for piece in pieces] == [None] * 11 + ["length"]


def test_a_prompt_is_scored_where_it_is_echoed(maker: ModelMaker) -> None:
    prompt = prompt_of(4, least=9)
    served = maker.make(setting_of(WHOLE, "exact"))
    request = Request(prompts=(prompt,), max_tokens=0, logprobs=0, echo=True)
    with engine_of(maker, served) as engine:
        (piece,) = engine.submit(request)
    with torch.no_grad():
        rows = torch.log_softmax(served.network(torch.tensor([prompt])).logits[0].double(), -1)
    expected = [float(rows[place, token]) for place, token in enumerate(prompt[1:])]
    assert piece.scores[0] == Score(token=prompt[0], logprob=None)
    assert [score.logprob for score in piece.scores[1:]] == expected
    assert piece.finish == "length"


def test_an_end_of_text_ends_a_choice(maker: ModelMaker) -> None:
    prompt, greedy = prompt_of(0), Sampling(temperature=0)
    request = Request(prompts=(prompt,), max_tokens=8, sampling=greedy, logprobs=0)
    with engine_of(maker, setting_of(None)) as engine:
        tokens = [score.token for piece in engine.submit(request) for score in piece.scores]
    ends = {tokens[4]}
    with engine_of(maker, setting_of(None), ends=ends) as engine:
        pieces = list(engine.submit(request))
    assert len(pieces) == tokens.index(tokens[4]) + 1
    assert (pieces[-1].text, pieces[-1].finish) == ("", "stop")


def test_decode_has_the_formats_of_decode(maker: ModelMaker) -> None:
    """Against a loop over the quantised model, with the cache that it makes itself."""
    served = maker.make(setting_of(WHOLE, "exact"))
    prompt, expected = prompt_of(3), []
    with torch.no_grad():
        made = served.network(torch.tensor([prompt]), use_cache=True)
        for _ in range(4):
            row = made.logits[0, -1]
            token = int((row == row.max()).nonzero()[0])
            expected.append((token, float(torch.log_softmax(row.double(), 0)[token])))
            cache = made.past_key_values
            made = served.network(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
    greedy = Sampling(temperature=0)
    request = Request(prompts=(prompt,), max_tokens=4, sampling=greedy, logprobs=0)
    with engine_of(maker, served) as engine:
        pieces = list(engine.submit(request))
    assert [(s.token, s.logprob) for piece in pieces for s in piece.scores] == expected


class Slow:
    """A model that waits before each pass until it may go on."""

    def __init__(self, served: ServedModel) -> None:
        self.gate, self.passes = threading.Semaphore(0), 0
        self._hook = served.network.register_forward_pre_hook(self._wait)

    def _wait(self, *_: object) -> None:
        self.gate.acquire()
        self.passes += 1

    def remove(self) -> None:
        """Let all passes go."""
        self._hook.remove()
        self.gate.release(1000)


@pytest.fixture
def slow(maker: ModelMaker) -> Iterator[tuple[ServedModel, Slow]]:
    """A model whose passes a test lets go one by one."""
    served = maker.make(setting_of(LINEAR))
    hook = Slow(served)
    yield served, hook
    hook.remove()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def one(tokens: int = 4) -> Request:
    return Request(prompts=(prompt_of(1),), max_tokens=tokens, sampling=Sampling(temperature=0))


def test_a_full_queue_is_said_with_when_to_come_again(
    maker: ModelMaker, slow: tuple[ServedModel, Slow]
) -> None:
    served, hook = slow
    with engine_of(maker, served, slow=hook, limits=Limits(max_batch=2, max_queue=3)) as engine:
        streams = [engine.submit(one()) for _ in range(5)]
        with pytest.raises(RequestError, match=r"queue is full: \d texts wait, at most 3") as error:
            engine.submit(one())
        assert error.value.status == 429
        assert int(error.value.headers["Retry-After"]) >= 1
        hook.remove()
        assert all(list(stream) for stream in streams)
        assert list(engine.submit(one()))


def test_what_is_given_up_or_late_frees_its_place(
    maker: ModelMaker, slow: tuple[ServedModel, Slow]
) -> None:
    served, hook = slow
    limits = Limits(max_batch=1, max_queue=3, timeout_s=60)
    with engine_of(maker, served, slow=hook, limits=limits) as engine:
        given_up, late = engine.submit(one(1000)), engine.submit(one())
        hook.gate.release(3)
        wait_until(lambda: hook.passes == 3)
        given_up.cancel()
        late.deadline = time.monotonic()
        hook.gate.release(1)
        with pytest.raises(RequestError, match="cancelled"):
            list(given_up)
        with pytest.raises(RequestError, match="took more than 60 s") as error:
            list(late)
        assert error.value.status == 504
        wait_until(lambda: (engine.waiting, engine.running) == (0, 0))
        assert not engine.in_flight()
        hook.remove()
        assert list(engine.submit(one()))


def test_a_failure_ends_one_request(maker: ModelMaker) -> None:
    served = maker.make(setting_of(LINEAR))
    bad = prompt_of(5, least=20)

    def fail(_: Any, args: tuple[Any, ...]) -> None:
        if args[0].shape[1] == len(bad):
            raise RuntimeError("no memory")

    served.network.register_forward_pre_hook(fail)
    with engine_of(maker, served) as engine:
        streams = [engine.submit(one()), engine.submit(Request(prompts=(bad,)))]
        assert len(list(streams[0])) == 4
        with pytest.raises(RequestError, match="the model has failed: RuntimeError: no memory"):
            list(streams[1])
        assert list(engine.submit(one()))


def test_a_switch_is_for_requests_that_begin_later(
    maker: ModelMaker, slow: tuple[ServedModel, Slow]
) -> None:
    """What is in flight ends under its recipe; then its model goes."""
    served, hook = slow
    later = maker.make(setting_of(WHOLE))
    request = Request(
        prompts=(prompt_of(6),), max_tokens=8, sampling=Sampling(temperature=0), logprobs=1
    )
    with engine_of(maker, served, slow=hook) as engine:
        before = engine.submit(request)
        hook.gate.release(3)
        wait_until(lambda: hook.passes == 3)
        engine.use(later)
        after = engine.submit(request)
        assert engine.in_flight() == {served.revision: 1, later.revision: 1}
        hook.remove()
        found = list(before), list(after)
    for model, pieces in zip((served, later), found, strict=True):
        with engine_of(maker, model) as engine:
            assert list(engine.submit(request)) == pieces
    assert found[0] != found[1]


def test_a_model_goes_with_its_last_request(maker: ModelMaker) -> None:
    served = maker.make(setting_of(LINEAR))
    alive = weakref.ref(served.network)
    with engine_of(maker, served) as engine:
        del served
        stream = engine.submit(one(50))
        engine.use(maker.make(setting_of(WHOLE)))
        assert alive() is not None
        assert list(stream)
        del stream
        list(engine.submit(one(1)))
        gc.collect()
        assert alive() is None


@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (Request(prompts=()), "prompt", "no tokens"),
        (Request(prompts=((1,), ())), "prompt", "no tokens"),
        (Request(prompts=((1,),), n=90), "n", "90 texts"),
        (Request(prompts=((1,),), max_tokens=41), "max_tokens", "writes 40 at most"),
        (Request(prompts=((1,) * 40,), max_tokens=30), "max_tokens", "together more than the 64"),
        (Request(prompts=((1,) * 64,), max_tokens=1), "prompt", "together more than the 64"),
    ],
)
def test_what_is_beyond_the_limits_is_said(
    request_: Request, param: str, words: str, maker: ModelMaker
) -> None:
    limits = Limits(max_batch=4, max_queue=20, max_tokens=40, max_model_len=64)
    with engine_of(maker, setting_of(None), limits=limits) as engine:
        with pytest.raises(RequestError, match=words) as error:
            engine.submit(request_)
        assert error.value.param == param


def test_an_engine_that_stops_takes_nothing_on(
    maker: ModelMaker, slow: tuple[ServedModel, Slow]
) -> None:
    served, hook = slow
    with engine_of(maker, served, slow=hook) as engine:
        stream = engine.submit(one())
        engine.drain()
        with pytest.raises(RequestError, match="shutting down") as error:
            engine.submit(one())
        assert error.value.status == 503
        engine.end_all(RequestError("that is all"))
        hook.remove()
        with pytest.raises(RequestError, match="that is all"):
            list(stream)


def test_recipes_of_tests_are_what_they_say() -> None:
    assert tomllib.loads(WHOLE)["phase"]["kv_handover"] == "requantize"
