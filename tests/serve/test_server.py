"""`plena serve` as clients meet it: a process of its own, and OpenAI's own client."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.serve.real_server import RealServer, serving
from tests.serve.recipes import LINEAR, WHOLE

from plena_cosim.serve import Engine, ModelMaker, Piece, Request, Sampling, Setting

CLIENTS = 32
LIMITS = ("--max-batch", "8", "--max-queue", "64", "--max-model-len", "96", "--max-body", "20000")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe that the server begins with."""
    path = tmp_path_factory.mktemp("recipes") / "whole.toml"
    path.write_text(WHOLE)
    return path


@pytest.fixture(scope="module")
def server(chat_model: Path, recipe: Path) -> Iterator[RealServer]:
    """A server with exact numerics, which all tests share; it ends well."""
    options = ("--quant-config", str(recipe), "--numerics", "exact", *LIMITS)
    with serving(chat_model, *options) as found:
        yield found
        code, said = found.stop()
        assert (code, said.splitlines()[-1]) == (0, "served: all requests have ended")
        assert "Traceback" not in said


@pytest.fixture(scope="module")
def quick(server: RealServer) -> RealServer:
    """The same server, from now on with the float model, whose passes take a tenth of the time."""
    with server.http() as http:
        assert http.put("/v1/config", json={"recipe": None}).status_code == 200
    return server


def asked(number: int) -> dict[str, Any]:
    """What a client asks for."""
    words = " ".join(f"w{(number * each + each) % 50 + 1}" for each in range(1, 4 + number % 9))
    return {
        "prompt": words,
        "max_tokens": 2 + number % 2,
        "temperature": (0, 0.8, 1.3)[number % 3],
        "seed": number,
        "logprobs": 2,
    }


def answered(server: RealServer, number: int, *, stream: bool = False) -> tuple[str, Any, Any]:
    """Text, log probabilities and end of what a client gets."""
    client = server.openai().completions
    if not stream:
        (choice,) = client.create(model=server.model, **asked(number)).choices
        assert choice.logprobs is not None
        logprobs = choice.logprobs.token_logprobs, choice.logprobs.top_logprobs
        return choice.text, logprobs, choice.finish_reason
    text, scores, tops, finish = "", [], [], None
    for chunk in client.create(model=server.model, stream=True, **asked(number)):
        (part,) = chunk.choices
        text, finish = text + part.text, part.finish_reason or finish
        if part.logprobs is not None:
            scores += part.logprobs.token_logprobs or []
            tops += part.logprobs.top_logprobs or []
    return text, (scores, tops), finish


def test_many_clients_get_what_each_gets_alone(server: RealServer) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = list(
            pool.map(lambda each: answered(server, each, stream=each % 2 == 0), range(CLIENTS))
        )
    assert len({str(each) for each in together}) == CLIENTS
    alone = [answered(server, number) for number in range(0, CLIENTS, 5)]
    assert together[::5] == alone


def test_an_answer_is_that_of_an_engine(server: RealServer, maker: ModelMaker) -> None:
    """What goes over the network is what the library gives, to the last bit."""
    served = maker.make(Setting(base=None).changed({"toml": WHOLE, "numerics": "exact"}))
    given = asked(7)
    request = Request(
        prompts=(tuple(maker.tokenizer(given["prompt"])["input_ids"]),),
        max_tokens=given["max_tokens"],
        sampling=Sampling(temperature=given["temperature"], seed=given["seed"]),
        logprobs=2,
    )
    engine = Engine(served, maker.tokenizer, ends=maker.ends)
    pieces: list[Piece] = list(engine.submit(request))
    engine.close()
    text, (scores, _), finish = answered(server, 7)
    assert text == "".join(piece.text for piece in pieces)
    assert scores == [score.logprob for piece in pieces for score in piece.scores]
    assert finish == pieces[-1].finish


def test_the_recipe_is_shown(server: RealServer) -> None:
    with server.http() as http:
        config = http.get("/v1/config").json()
    assert config["recipe"] == tomllib.loads(config["toml"]) == tomllib.loads(WHOLE)
    assert config["numerics"] == "exact"
    assert config["fingerprint"].startswith("plena-exact-")


CHAT: Any = [{"role": "system", "content": "w1"}, {"role": "user", "content": "w2 w3"}]


def test_a_chat_whole_and_as_a_stream(quick: RealServer) -> None:
    client = quick.openai().chat.completions
    given: dict[str, Any] = {
        "model": quick.model,
        "messages": CHAT,
        "max_completion_tokens": 6,
        "seed": 4,
        "logprobs": True,
        "top_logprobs": 2,
        "n": 2,
    }
    whole = client.create(**given)
    assert whole.usage is not None
    assert whole.usage.completion_tokens == sum(len(c.logprobs.content) for c in whole.choices)
    texts, ends, last = ["", ""], [None, None], None
    for chunk in client.create(**given, stream=True, stream_options={"include_usage": True}):
        last = chunk
        for part in chunk.choices:
            texts[part.index] += part.delta.content or ""
            ends[part.index] = part.finish_reason or ends[part.index]
    assert texts == [choice.message.content for choice in whole.choices]
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert last is not None
    assert last.usage == whole.usage
    assert last.system_fingerprint == whole.system_fingerprint
    entry = whole.choices[0].logprobs.content[0]
    assert bytes(entry.bytes).decode() == entry.token
    assert len(entry.top_logprobs) == 2


def test_tools_go_through_the_chat_template(quick: RealServer) -> None:
    client = quick.openai().chat.completions
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}

    def read(**more: Any) -> int:
        made = client.create(model=quick.model, messages=CHAT, max_tokens=1, **more)
        assert made.usage is not None
        return made.usage.prompt_tokens

    assert read(tools=[tool], tool_choice="auto") == read() + 2
    assert read(tools=[tool], tool_choice="none") == read()
    parts: Any = [{"type": "text", "text": "w2 "}, {"type": "text", "text": "w3"}]
    assert (
        read()
        == client.create(
            model=quick.model,
            messages=[CHAT[0], {"role": "user", "content": parts}],
            max_tokens=1,
        ).usage.prompt_tokens
    )


def test_prompts_echo_and_stop(quick: RealServer) -> None:
    client = quick.openai().completions
    given: dict[str, Any] = {"model": quick.model, "temperature": 0, "max_tokens": 8}
    several = client.create(prompt=["w1 w2", "w3"], n=2, **given)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert several.choices[0].text == several.choices[1].text
    tokens = client.create(prompt=[[2, 3], [4]], **given)
    assert [choice.text for choice in tokens.choices] == [
        choice.text for choice in several.choices[::2]
    ]
    whole = several.choices[0].text
    stop = whole[len(whole) // 2 :][:3]
    cut = client.create(prompt="w1 w2", stop=[stop], **given).choices[0]
    assert (cut.text, cut.finish_reason) == (whole[: whole.find(stop)], "stop")
    echoed = client.create(prompt="w1 w2", echo=True, logprobs=1, **given).choices[0]
    assert echoed.text == f"w1 w2{several.choices[0].text}"
    assert echoed.logprobs is not None
    assert echoed.logprobs.token_logprobs is not None
    assert echoed.logprobs.token_logprobs[0] is None
    only = client.create(
        model=quick.model, prompt="w1 w2", echo=True, logprobs=1, max_tokens=0
    ).choices[0]
    assert only.logprobs is not None
    assert only.logprobs.token_logprobs == echoed.logprobs.token_logprobs[:2]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("POST", "/v1/completions", {"model": "MODEL", "prompt": ""}, 400, "prompt"),
        ("POST", "/v1/completions", {"model": "MODEL", "prompt": []}, 400, "prompt"),
        ("POST", "/v1/completions", {"model": "MODEL", "prompt": [61]}, 400, "prompt"),
        ("POST", "/v1/completions", {"model": "MODEL", "prompt": "w1 " * 96}, 400, "prompt"),
        ("POST", "/v1/completions", {"model": "other", "prompt": "w1"}, 404, "model"),
        ("POST", "/v1/completions", {"prompt": "w1"}, 400, "model"),
        ("POST", "/v1/completions", [], 400, None),
        ("POST", "/v1/completions", {"model": "MODEL", "prompt": "w1" * 12000}, 413, None),
        ("POST", "/v1/chat/completions", {"model": "MODEL", "messages": [{}]}, 400, "messages"),
        ("PUT", "/v1/config", {"recipe": {"x": {"name": "mxnit"}}}, 400, None),
        ("PUT", "/v1/config", {"patch": {"phase": "x"}}, 400, None),
        ("GET", "/v1/completions", None, 405, None),
        ("GET", "/v1/nothing", None, 404, None),
        ("GET", "/v1/models/other", None, 404, "model"),
    ],
)
def test_what_is_wrong_is_said_in_openai_s_shape(
    method: str, path: str, body: Any, status: int, param: str | None, server: RealServer
) -> None:
    if isinstance(body, dict) and body.get("model") == "MODEL":
        body = {**body, "model": server.model}
    with server.http() as http:
        answer = http.request(method, path, json=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["param"] == param


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"model": NaN}', "application/json", 400),
        (b"[" * 15000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"model": "\\ud800"}', "application/json", 400),
        (b"{}", "text/plain", 415),
    ],
)
def test_bodies_that_are_no_objects(
    content: bytes, kind: str, status: int, server: RealServer
) -> None:
    with server.http() as http:
        answer = http.post("/v1/completions", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert "message" in answer.json()["error"]


def test_a_long_body_without_a_length_is_not_kept(quick: RealServer) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 4096

    with quick.http() as http:
        try:
            status = http.post(
                "/v1/completions", content=parts(), headers={"Content-Type": "application/json"}
            ).status_code
        except httpx2.TransportError:  # it has closed the connection already
            status = 413
    assert status == 413


def test_a_field_that_is_not_supported_is_named(quick: RealServer) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        quick.openai().chat.completions.create(
            model=quick.model, messages=CHAT, frequency_penalty=1
        )
    assert error.value.param == "frequency_penalty"


def counts(server: RealServer) -> dict[str, float]:
    """The counters of the server, by name and labels."""
    with server.http() as http:
        lines = http.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_idle(server: RealServer) -> dict[str, float]:
    deadline = time.monotonic() + 300
    while True:
        found = counts(server)
        if not found["plena_running_choices"] and not found["plena_waiting_choices"]:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_dropped_connection_ends_its_request(quick: RealServer) -> None:
    """A stream that is closed early, and a client that does not wait for the whole."""
    before = wait_idle(quick)
    client = quick.openai().completions
    given: dict[str, Any] = {"model": quick.model, "prompt": "w1", "max_tokens": 90, "n": 4}
    for _ in range(3):
        stream = client.create(**given, stream=True, temperature=0)
        next(iter(stream))
        stream.close()
    body = json.dumps(given | {"temperature": 0}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(tuple(quick.url[7:].split(":"))) as raw:  # type: ignore[arg-type]
        raw.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        time.sleep(0.1)
    name = 'plena_requests_total{path="/v1/completions",status="499"}'
    # Four where nothing else runs; on a busy machine a text may be whole before its end is seen.
    wait_until(lambda: counts(quick).get(name, 0) - before.get(name, 0) >= 1)
    after = wait_idle(quick)
    tokens = 'plena_tokens_total{phase="decode"}'
    assert after[tokens] - before.get(tokens, 0) < 4 * 4 * 89


def test_models_config_health_and_metrics(quick: RealServer) -> None:
    assert [model.id for model in quick.openai().models.list()] == [quick.model]
    assert quick.openai().models.retrieve(quick.model).owned_by == "plena-cosim"
    with quick.http() as http:
        assert http.get("/health").json() == {"status": "ok"}
        assert http.get("/v1/config").json()["recipe"] is None
    found = wait_idle(quick)
    steps = found['plena_step_choices_count{phase="decode"}']
    assert found['plena_step_choices_sum{phase="decode"}'] > steps > 0
    assert found["plena_first_token_seconds_count"] > 0


def test_a_recipe_is_switched_under_load(quick: RealServer) -> None:
    """Each answer is that of the recipe that its fingerprint names, whenever the switch came."""
    client = quick.openai().completions
    found: dict[str, set[str]] = {}
    over = threading.Event()

    def ask(_: int) -> None:
        while not over.is_set():
            made = client.create(
                model=quick.model, prompt="w5 w6 w7", max_tokens=10, temperature=0, logprobs=1
            )
            assert made.system_fingerprint is not None
            (choice,) = made.choices
            assert choice.logprobs is not None
            answer = f"{choice.text} {choice.logprobs.token_logprobs}"
            found.setdefault(made.system_fingerprint, set()).add(answer)

    with quick.http() as http, ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask, number) for number in range(6)]
        fingerprints = [http.get("/v1/config").json()["fingerprint"]]
        patch = {"phase": "decode", "layers": "ffn", "width": 8}
        toml = {"Content-Type": "application/toml"}
        changes: list[dict[str, Any]] = [
            {"content": LINEAR.encode(), "headers": toml},
            {"json": {"patch": patch, "numerics": "fake"}},
            {"json": {"toml": WHOLE, "numerics": "fake"}},
            {"json": {"recipe": None}},
        ]
        try:
            for change in changes:
                wait_until(lambda: fingerprints[-1] in found)
                answer = http.put("/v1/config", **change)
                assert answer.status_code == 200, answer.text
                fingerprints.append(answer.json()["fingerprint"])
            wait_until(lambda: fingerprints[-1] in found)
        finally:
            over.set()
        for each in asking:
            each.result()
        wait_idle(quick)
        assert http.get("/v1/config").json()["in_flight"] == {}
    assert len(set(fingerprints)) == 4
    assert fingerprints[0] == fingerprints[-1]
    assert found.keys() == set(fingerprints)
    assert [len(answers) for answers in found.values()] == [1] * len(found)
    assert len(set.union(*found.values())) == len(found)
    assert counts(quick)["plena_models"] == 1


def test_memory_does_not_grow_with_requests(quick: RealServer) -> None:
    """After 1,000 requests where PLENA_COSIM_LONG is set; it prints what they have cost."""
    client = quick.openai().completions
    count = 1000 if os.environ.get("PLENA_COSIM_LONG") else 150

    def ask(number: int) -> None:
        client.create(model=quick.model, **asked(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
        before = quick.memory_mib()
        list(pool.map(ask, range(count)))
    grown = quick.memory_mib() - before
    print(f"memory: {before:.1f} MiB before {count} requests, {grown:+.1f} MiB after")
    assert grown < 8


def test_sigterm_in_mid_stream(chat_model: Path) -> None:
    """With a key: what is whole within the grace time is, the rest ends with an error event."""
    options = ("--grace", "0.4", "--api-key-env", "SERVE_KEY", "--max-model-len", "2048")
    limits = ("--max-tokens", "2000", "--max-batch", "2", "--max-queue", "1")
    with serving(chat_model, *options, *limits, environment={"SERVE_KEY": "secret"}) as server:
        with server.http() as http:
            assert http.get("/health").status_code == 200
            for path in ("/v1/models", "/v1/config", "/metrics"):
                assert http.get(path).status_code == 401
        with pytest.raises(openai.AuthenticationError, match="Bearer KEY"):
            server.openai("wrong").models.list()
        client = server.openai("secret").completions
        given: dict[str, Any] = {"model": server.model, "prompt": "w1", "temperature": 0}
        endless = [client.create(**given, max_tokens=2000, stream=True) for _ in range(3)]
        next(iter(endless[0]))
        with pytest.raises(openai.RateLimitError) as busy:
            client.create(**given)
        assert int(busy.value.response.headers["Retry-After"]) >= 1
        ends: list[object] = []

        def read(number: int) -> None:
            try:
                ends.append(list(endless[number])[-1].choices[0].finish_reason)
            except openai.APIError as error:
                ends.append(str(error))

        readers = [threading.Thread(target=read, args=(number,)) for number in range(3)]
        for reader in readers:
            reader.start()
        code, said = server.stop()
        for reader in readers:
            reader.join()
        assert (code, said.splitlines()[-1]) == (0, "served: all requests have ended")
        assert "Traceback" not in said
        assert set(ends) == {"the server is shutting down, and the text is not whole"}
        with pytest.raises(openai.APIConnectionError):
            client.create(**given)
