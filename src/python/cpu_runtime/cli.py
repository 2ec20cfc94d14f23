"""The command line: `cpu_runtime.pex serve|models`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cpu_runtime.engine.served import Resources
from cpu_runtime.errors import OperatorError, OptionsUnusable
from cpu_runtime.models.catalog import Model, chat_model, embedding_model
from cpu_runtime.serving.listener import is_private, listen
from cpu_runtime.serving.server import Plan
from cpu_runtime.serving.server import serve as serve_until_signal
from querylake_version import VERSION

KEY_VARIABLE = "CPU_RUNTIME_API_KEY"

_EXAMPLES = """\
\b
Examples:
  {program} serve
  {program} serve --chat-model qwen3-4b.gguf --context 32768
  {program} models
"""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Otherwise what is in brackets, such as defaults, would be taken for markup.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Serve small models on the CPU: OpenAI's chat, completions, responses, embeddings and "
    "rerank, and Anthropic's messages.",
    epilog=_EXAMPLES,
)

ChatModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.gguf", help="Chat model file. Default: the built-in SmolLM2-135M-Instruct."
    ),
]
ChatModelName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Name of the chat model for clients. Default: the file's name."
    ),
]
EmbeddingModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.gguf", help="Embedding model file. Default: the built-in all-MiniLM-L6-v2."
    ),
]
EmbeddingModelName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Name of the embedding model for clients. Default: the file's name."
    ),
]
NoEmbeddings = Annotated[
    bool, typer.Option("--no-embeddings", help="Do not load an embedding model.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", help="Port to listen on; 0 picks a free one.", min=0, max=65535
        ),
    ] = 8100,
    chat_model: ChatModel = None,
    chat_model_name: ChatModelName = None,
    embedding_model: EmbeddingModel = None,
    embedding_model_name: EmbeddingModelName = None,
    no_embeddings: NoEmbeddings = False,
    context: Annotated[
        int,
        typer.Option(
            metavar="TOKENS",
            help="Maximum length of a chat, prompt and response, in tokens; at most the model's.",
            min=256,
        ),
    ] = 8192,
    parallel: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Concurrent requests per model; others wait in a queue.",
            min=1,
            max=64,
        ),
    ] = 4,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Threads per model. Default: one less than there are processors.",
            min=1,
            max=512,
        ),
    ] = None,
    drain_seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Time limit for running requests after SIGTERM, in seconds.",
            min=0,
            max=3600,
        ),
    ] = 5.0,
    allow_unauthenticated: Annotated[
        bool,
        typer.Option("--allow-unauthenticated", help="Accept other machines without an API key."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print llama.cpp's log.")] = False,
) -> None:
    """Serve the models until SIGTERM, with the API key in CPU_RUNTIME_API_KEY, if it is set."""
    key = _key()

    def models() -> tuple[Model, ...]:
        return _models(
            chat_model, chat_model_name, embedding_model, embedding_model_name, no_embeddings
        )

    listener = listen(host, port)
    if key is None and not is_private(listener) and not allow_unauthenticated:
        raise OptionsUnusable(
            f"--host {host} lets other machines in, and no key is set; set {KEY_VARIABLE}, or "
            "say --allow-unauthenticated"
        )
    resources = Resources(
        context_length=context,
        slots=parallel,
        # One is left to the system and to the API: with all of them busy, an answer of two tokens
        # took 20 s on a machine that had other work, and 0.8 s otherwise.
        threads=threads or max(1, _processors() - 1),
        verbose=verbose,
    )
    serve_until_signal(Plan(models, resources, key, drain_seconds, _say_ready), listener)


@app.command("models")
def list_models(
    chat_model: ChatModel = None,
    chat_model_name: ChatModelName = None,
    embedding_model: EmbeddingModel = None,
    embedding_model_name: EmbeddingModelName = None,
    no_embeddings: NoEmbeddings = False,
) -> None:
    """List the models that `serve` loads with the same options."""
    for model in _models(
        chat_model, chat_model_name, embedding_model, embedding_model_name, no_embeddings
    ):
        size = model.file.stat().st_size / 1e6
        does = ", ".join(model.capabilities)
        typer.echo(f"{model.name:24} {does:20} {size:8.1f} MB  {model.licence}")


def _models(
    chat_file: Path | None,
    chat_name: str | None,
    embedding_file: Path | None,
    embedding_name: str | None,
    no_embeddings: bool,
) -> tuple[Model, ...]:
    chat = chat_model(chat_file, chat_name)
    if no_embeddings:
        if embedding_file or embedding_name:
            raise OptionsUnusable("--no-embeddings and --embedding-model contradict each other")
        return (chat,)
    embedding = embedding_model(embedding_file, embedding_name, os.environ)
    if chat.name == embedding.name:
        raise OptionsUnusable(
            f"both models would be called {chat.name!r}; give one another name with "
            "--chat-model-name or --embedding-model-name"
        )
    return (chat, embedding)


def _key() -> str | None:
    key = os.environ.get(KEY_VARIABLE)
    if key is not None and not key.strip():
        raise OptionsUnusable(f"{KEY_VARIABLE} is set but empty; give it a value, or unset it")
    return key


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _say_ready(url: str) -> None:
    print(f"cpu_runtime ready on {url}", flush=True)


def _program() -> str:
    """Return what this program was started as, for its usage line."""
    name = Path(os.environ.get("PEX", sys.argv[0])).name
    return "python -m cpu_runtime" if name == "__main__.py" else name


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    program = _program()
    app.info.epilog = _EXAMPLES.format(program=program)
    try:
        app(prog_name=program)
    except OperatorError as error:
        typer.echo(f"cpu_runtime: {error}", err=True)
        sys.exit(error.exit_code)
