"""Gate 4: the API reaches engines over HTTP only."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_VERIFY = "upgrade_gates boundary verify"
_CODE = ("api_pex",)
_LIVE = ("api_config", "setting:api", "setting:serving")
"""Of the API at its address. Its PEX is added by the check, where it was seen to serve there."""

GATE = Gate(
    4,
    "The API talks to engines over HTTP and imports none",
    (
        *summed_up(
            "4.routing",
            "The routing layer knows nothing of vLLM's own types",
            Line(
                id="4.routing.chat",
                text="Chat bodies pass through as JSON: a field that we do not know reaches the "
                "engine",
                command=_VERIFY,
                binds=_LIVE,
                days=30,
            ),
            Line(
                id="4.routing.embeddings",
                text="Embeddings are answered in OpenAI's form",
                command=_VERIFY,
                binds=_LIVE,
                days=30,
                needs="api.embeddings_model",
            ),
        ),
        *summed_up(
            "4.imports",
            "No module of the API imports an engine",
            Line(
                id="4.imports.sources",
                text="Sources and locks hold no engine, and a planted one would be seen",
                command=_VERIFY,
                binds=("api_lock",),
            ),
            Line(
                id="4.imports.pex",
                text="The built API holds no engine, and has imported none when it is ready",
                command=_VERIFY,
                binds=_CODE,
            ),
        ),
        *summed_up(
            "4.provider",
            "The provider boundary works against a live engine",
            Line(
                id="4.provider.chat",
                text="A chat through the API, whole and streamed, is answered by the engine",
                command=_VERIFY,
                binds=_LIVE,
                days=30,
            ),
            Line(
                id="4.provider.embeddings",
                text="Embeddings through the API are answered by the engine",
                command=_VERIFY,
                binds=_LIVE,
                days=30,
                needs="api.embeddings_model",
            ),
        ),
        Line(
            id="4.config",
            text="The API's configuration names the engine's address and maps the model to it",
            command=_VERIFY,
            binds=("api_config", "setting:serving", "setting:api"),
        ),
        Line(
            id="4.fallback",
            text="The old path stays as a fallback: the old engine still answers",
            command=_VERIFY,
            binds=("setting:old",),
            days=7,
            needs="old.url",
        ),
    ),
)
