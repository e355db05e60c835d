"""Any OpenAI-compatible server: vLLM, Ollama, llama.cpp, OpenAI and others, through the openai client."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from llmsynthor.errors import LLMError, Problem, ServerError
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.token_tree import score_tree

if TYPE_CHECKING:
    from openai import OpenAI

ATTEMPTS = 4
TIMEOUT = 600.0

T = TypeVar("T")


def identify(model: str, base_url: str | None) -> Identity:
    """Name a remote model: server and model name are all that is known of it."""
    server = base_url or os.environ.get("OPENAI_BASE_URL") or "openai"
    return Identity(name=f"openai:{model}", digest=f"{server.rstrip('/')}#{model}")


def connect(base_url: str | None) -> "OpenAI":
    """Make a client; the key is taken from OPENAI_API_KEY, and retries are left to this module."""
    import openai  # noqa: PLC0415  (heavy)

    key = os.environ.get("OPENAI_API_KEY")
    if not key and base_url is None and not os.environ.get("OPENAI_BASE_URL"):
        advice = "set OPENAI_API_KEY, or name a server of your own with --base-url"
        raise LLMError(Problem(where="llm openai", what="there is no key", advice=advice))
    return openai.OpenAI(api_key=key or "none", base_url=base_url, max_retries=0, timeout=TIMEOUT)


class Remote:
    """Writes JSON in the strictest way the server takes: to a schema, as an object, or in words."""

    def __init__(self, client: "OpenAI", identity: Identity, model: str, *, wait: float = 0.5) -> None:
        """`wait` is the first pause before a retry, in seconds; it doubles."""
        self._client, self._identity, self._model, self._wait = client, identity, model, wait
        self._manners: list[Callable[[WriteRequest], dict[str, Any]]] = [_to_schema, _to_object, _in_words]

    @property
    def identity(self) -> Identity:
        return self._identity

    def write(self, request: WriteRequest) -> Written:
        started = time.perf_counter()
        answer = self._write(request)
        choice = answer.choices[0] if answer.choices else None
        text = (choice.message.content or getattr(choice.message, "refusal", None) or "") if choice else ""
        return Written(text=text, usage=_usage([answer], started))

    def _write(self, request: WriteRequest) -> Any:
        """Where the server does not take a way of asking, the next one is tried, and kept."""
        import openai  # noqa: PLC0415  (heavy)

        create = self._client.chat.completions.create
        about = {
            "model": self._model,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed % 2**31,
        }
        while True:
            body: dict[str, Any] = {**about, **self._manners[0](request)}
            try:
                return self._retry(partial(create, **body))
            except openai.BadRequestError as cause:
                if len(self._manners) == 1:
                    raise _server_error(cause, retryable=False) from cause
                del self._manners[0]

    def _retry(self, call: Callable[[], T]) -> T:
        import openai  # noqa: PLC0415  (heavy)
        import stamina  # noqa: PLC0415  (heavy, only where used)

        try:
            for attempt in stamina.retry_context(
                on=_retryable, attempts=ATTEMPTS, wait_initial=self._wait, timeout=None
            ):
                with attempt:
                    return call()
        except openai.BadRequestError:
            raise
        except openai.OpenAIError as cause:
            raise _server_error(cause, retryable=_retryable(cause)) from cause
        raise AssertionError("a retry ends with an answer or an error")


class ScoringRemote(Remote):
    """A llama.cpp server: it shows its tokens and their probabilities, so it scores as well."""

    def score(self, request: ScoreRequest) -> Scored:
        answers: list[Any] = []

        def next_tokens(tokens: Sequence[int], most: int) -> Mapping[int, float]:
            body = {"prompt": list(tokens), "n_predict": 1, "n_probs": most, "temperature": 0.0, "cache_prompt": True}
            answers.append(self._post("completion", body))
            listed = answers[-1]["completion_probabilities"][0]["top_logprobs"]
            return {int(entry["id"]): float(entry["logprob"]) for entry in listed}

        started = time.perf_counter()
        context = self._tokenize(request.context, special=True)
        scores = score_tree(context, [self._tokenize(c, special=False) for c in request.choices], next_tokens)
        tokens = sum(int(answer.get("tokens_evaluated", 0)) for answer in answers)
        return Scored(
            log_probabilities=scores,
            usage=Usage(prompt_tokens=tokens, completion_tokens=len(answers), seconds=_since(started)),
        )

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        return [int(token) for token in self._post("tokenize", {"content": text, "add_special": special})["tokens"]]

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        root = str(self._client.base_url).rstrip("/").removesuffix("/v1")
        return self._retry(lambda: self._client.post(f"{root}/{path}", body=body, cast_to=object))


def open_remote(model: str, base_url: str | None) -> Remote:
    """Connect; a server that shows tokens is given the capability of scoring."""
    import openai  # noqa: PLC0415  (heavy)

    client, identity = connect(base_url), identify(model, base_url)
    scoring = ScoringRemote(client, identity, model)
    if base_url is None:
        return Remote(client, identity, model)
    try:
        scoring.score(ScoreRequest(context="A", choices=(" B",)))
    except (LLMError, openai.OpenAIError, KeyError, IndexError, TypeError):
        return Remote(client, identity, model)
    return scoring


def _to_schema(request: WriteRequest) -> dict[str, Any]:
    schema = {"name": "answer", "schema": request.json_schema, "strict": True}
    return {"messages": _messages(request, ""), "response_format": {"type": "json_schema", "json_schema": schema}}


def _to_object(request: WriteRequest) -> dict[str, Any]:
    return {**_in_words(request), "response_format": {"type": "json_object"}}


def _in_words(request: WriteRequest) -> dict[str, Any]:
    schema = json.dumps(request.json_schema)
    return {"messages": _messages(request, f"\n\nAnswer with one JSON object that fits this JSON schema:\n{schema}")}


def _messages(request: WriteRequest, more: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt + more}]


def _retryable(error: Exception) -> bool:
    import openai  # noqa: PLC0415  (heavy)

    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def _server_error(cause: Exception, *, retryable: bool) -> ServerError:
    status = getattr(cause, "status_code", None)
    advice = {
        401: "check OPENAI_API_KEY",
        403: "check OPENAI_API_KEY and what it may use",
        404: "check the model's name and --base-url",
        429: "wait, or raise the limits of your account; what was answered is in the ledger",
    }.get(status or 0, "check --base-url and that the server runs; what was answered is in the ledger")
    found = f"{type(cause).__name__}: {str(cause)[:200]}"
    problem = Problem(where="llm server", what="the server gave no answer", found=found, advice=advice)
    return ServerError(problem, retryable=retryable)


def _usage(answers: Sequence[Any], started: float) -> Usage:
    used = [answer.usage for answer in answers if answer.usage is not None]
    return Usage(
        prompt_tokens=sum(entry.prompt_tokens or 0 for entry in used),
        completion_tokens=sum(entry.completion_tokens or 0 for entry in used),
        seconds=_since(started),
    )


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
