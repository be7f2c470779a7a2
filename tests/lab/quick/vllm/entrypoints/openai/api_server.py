"""The server, started as vLLM's: ``python -m vllm.entrypoints.openai.api_server --model ...``."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time

from vllm import __version__, answers, http
from vllm.answers import Asked, BadRequest
from vllm.http import Answer, Request
from vllm.link import EngineDead, Link, Running
from vllm.metrics import Counted
from vllm.settings import Behaviour, Options, behaviour

_log = logging.getLogger("vllm")
_GENERATING = ("/v1/chat/completions", "/v1/completions")
_BUSY = (
    "The engine is currently busy and cannot accept new requests. "
    "Please try again later or on a different instance."
)
_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_LATE = "cannot schedule new futures after shutdown"
_LOOK_S = 0.05
_EXIT_AFTER_DEATH_S = 1.5


class Server:
    """One engine: loads, answers, and ends the way vLLM does."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._link = Link()
        self._counted = Counted(options.names[0])
        self._asked_to_end = asyncio.Event()
        self._ending = False

    async def run(self) -> int:
        """Serve until SIGTERM; the exit code."""
        listener = _bound(self._options)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: None)  # swallowed while it loads
        await self._load()
        await self._link.start(self._options.max_num_seqs)
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_end.set)
        server = await asyncio.start_server(self._connection, sock=listener, limit=http.MAX_HEAD)
        _log.info("Application startup complete.")
        ended = asyncio.create_task(self._asked_to_end.wait())
        died = asyncio.create_task(self._link.died.wait())
        await asyncio.wait({ended, died}, return_when=asyncio.FIRST_COMPLETED)
        if self._link.died.is_set():
            _log.error("%s", _DEAD)
            await asyncio.sleep(_EXIT_AFTER_DEATH_S)
            return 1
        await self._end(server)
        return 0

    async def _load(self) -> None:
        begun, how = time.monotonic(), behaviour()
        _log.info("vLLM API server version %s", __version__)
        if how.mode == "die-at-start":
            raise RuntimeError("Engine core initialization failed: quick.env says die-at-start")
        while how.mode == "hang-loading":
            await asyncio.sleep(how.load_s)
        await asyncio.sleep(how.load_s)
        took = time.monotonic() - begun
        _log.info("Loading weights took %.2f seconds", took / 2)
        _log.info("CPU KV cache size: 524,288 tokens, Maximum concurrency for 1,024 tokens")
        _log.info("init engine (profile, create kv cache, warmup model) took %.2f s", took / 2)

    async def _end(self, server: asyncio.Server) -> None:
        """What vLLM does on SIGTERM: without a time-out it cuts, with one it lets requests end.

        Requests that are cut hear nothing: their clients wait, and so does this process, until the
        last of them leaves or somebody kills it.
        """
        self._ending = True
        timeout_s = self._options.shutdown_timeout_s
        until = time.monotonic() + timeout_s
        while self._link.busy and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
        self._link.kill()
        if self._link.busy:
            server.close()
        elif timeout_s:
            await asyncio.sleep(behaviour().teardown_s)
        while self._link.busy:
            await asyncio.sleep(_LOOK_S)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http.serve(reader, writer, self._handle, keepalive_s=self._options.keepalive_s)

    async def _handle(self, request: Request, answer: Answer) -> None:
        try:
            await self._route(request, answer)
        finally:
            if answer.status:
                self._counted.answered(request.method, request.path, answer.status)

    async def _route(self, request: Request, answer: Answer) -> None:
        if request.path in ("/health", "/ping"):
            answer.text(200, "")
        elif request.path == "/metrics":
            answer.text(200, self._counted.text(self._link.numbers))
        elif request.path == "/version":
            answer.document(200, {"version": __version__})
        elif not self._knows(request):
            answer.document(401, {"error": "Unauthorized"})
        elif request.path == "/v1/models":
            answer.document(200, {"object": "list", "data": self._models()})
        elif request.path not in _GENERATING:
            answer.document(404, {"detail": "Not Found"})
        elif request.method != "POST":
            answer.document(405, {"detail": "Method Not Allowed"})
        else:
            await self._generate(request, answer)

    def _knows(self, request: Request) -> bool:
        key = self._options.api_key
        return not key or request.headers.get("authorization") == f"Bearer {key}"

    def _models(self) -> list[dict[str, object]]:
        names, length = self._options.names, self._options.max_model_len
        return [{"id": name, "object": "model", "max_model_len": length} for name in names]

    async def _generate(self, request: Request, answer: Answer) -> None:
        options, how = self._options, behaviour()
        try:
            asked = Asked.parse(request.path, request.body, options.names, options.max_model_len)
        except BadRequest as bad:
            answer.document(bad.status, answers.error(str(bad), bad.status, bad.kind))
            return
        if self._ending or how.mode == "error":
            answer.document(500, answers.error(_LATE, 500, "InternalServerError"))
            return
        if self._link.died.is_set():
            answer.document(500, answers.error(_DEAD, 500, "InternalServerError"))
            return
        if self._is_full():
            self._counted.rejected += 1
            answer.document(503, answers.error(_BUSY, 503, "ServiceUnavailableError"))
            return
        running = self._link.run(asked.tokens, asked.prompt_tokens, how)
        try:
            await self._answer(asked, running, answer, how)
        except EngineDead:
            await _died(asked, answer)
        finally:
            self._link.forget(running)

    def _is_full(self) -> bool:
        queued = self._options.max_num_queued_reqs
        return queued is not None and self._link.busy >= self._options.max_num_seqs + queued

    async def _answer(self, asked: Asked, running: Running, answer: Answer, how: Behaviour) -> None:
        words: list[str] = []
        begun, counted = time.monotonic(), self._counted
        counted.prompt_tokens += asked.prompt_tokens
        if asked.stream:
            answer.open_stream()
        while len(words) < asked.tokens:
            if not await _token(running, answer):
                counted.success["abort"] += 1
                return
            if not words:
                counted.first_tokens += 1
                counted.first_token_s += time.monotonic() - begun
                if asked.stream and (opening := asked.opening()):
                    await answer.event(json.dumps(opening))
            words.append(answers.word(len(words), broken=how.mode == "garbage"))
            counted.generated_tokens += 1
            if asked.stream:
                last = len(words) == asked.tokens
                await answer.event(json.dumps(asked.piece(words[-1], last=last)))
        counted.success[asked.finish] += 1
        if not asked.stream:
            answer.document(200, asked.whole(words))
            return
        if asked.with_usage:
            await answer.event(json.dumps(asked.bill()))
        await answer.event("[DONE]")
        answer.end()


async def _token(running: Running, answer: Answer) -> bool:
    """Wait for a token; False when the client left before it came."""
    token = asyncio.create_task(running.token())
    while not answer.client_left:
        await asyncio.wait({token}, timeout=_LOOK_S)
        if token.done():
            token.result()
            return True
    token.cancel()
    return False


async def _died(asked: Asked, answer: Answer) -> None:
    said = answers.error(_DEAD, 500, "InternalServerError")
    if not answer.status:
        answer.document(500, said)
        return
    await answer.event(json.dumps(said))
    await answer.event("[DONE]")
    answer.end()


def _bound(options: Options) -> socket.socket:
    """The port, taken before the engine loads but not listened on: clients are refused."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.host, options.port))
    return listener


def main() -> None:
    """Run the server with the arguments of the command line."""
    form = "(EngineCore pid=%(process)d) %(levelname)s %(asctime)s [%(filename)s:%(lineno)d] "
    logging.basicConfig(level=logging.INFO, format=form + "%(message)s", datefmt="%m-%d %H:%M:%S")
    code = asyncio.run(Server(Options.parse(sys.argv[1:])).run())
    logging.shutdown()
    os._exit(code)  # whatever connections there are: they are not waited for


if __name__ == "__main__":
    main()
