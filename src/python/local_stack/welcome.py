"""What the user reads once everything runs: lines that work as they are pasted."""

from __future__ import annotations

import json
import os
import shlex
import sys
import webbrowser
from collections.abc import Mapping

from local_stack.config_file import StackConfig, is_edited
from local_stack.layout import DATA_DIR, DataDir, Repository, shown
from local_stack.terminal import Terminal

CONSOLE = "/ui"
QUESTION = "What is the capital of France?"


def welcome(
    terminal: Terminal, config: StackConfig, data: DataDir, key: str, *, foreground: bool = True
) -> None:
    """Print where the stack is, its key, and how to ask it something.

    Args:
        foreground: whether it runs on this terminal, so that Ctrl-C stops it.
    """
    bold = terminal.bold
    whose = "yours, used as it is" if is_edited(config.path) else "generated; edit it if you like"
    lines = [
        "",
        f"{bold('QueryLake answers on')} {config.url}  (its routes: {config.url}/docs)",
        f"{bold('Console')}  {config.url}{CONSOLE}",
        f"{bold('API key')}  {key}  (for administrators; kept in {shown(data.admin_key)})",
        "",
        bold("Ask it something:"),
        curl_line(config, key),
        "",
        bold("From Python (pip install openai):"),
        *python_lines(config, key),
        "",
        f"{bold('Logs')}     {shown(data.logs)}/",
        f"{bold('Settings')} {shown(config.path)}  ({whose})",
        "",
        bold("From another terminal:"),
        *command_lines(data),
        "",
        "Ctrl-C stops everything." if foreground else f"{_command('stop', data)} stops everything.",
        "",
    ]
    for line in lines:
        terminal.line(line)


def command_lines(data: DataDir) -> list[str]:
    """Return other commands of `./querylake`, each with what it is for."""
    commands = {
        f"{_command('keys', data)} create --name app": "a key for an application",
        _command("doctor", data): "what is wrong, if something is",
        _command("status", data): "this text again",
    }
    width = max(map(len, commands))
    return [f"  {command:{width}}   {says}" for command, says in commands.items()]


def _command(name: str, data: DataDir) -> str:
    usual = data.root == Repository.here().root / DATA_DIR
    return f"./querylake {name}" if usual else f"./querylake {name} --data-dir {shown(data.root)}"


def open_console(
    terminal: Terminal, config: StackConfig, environ: Mapping[str, str] | None = None
) -> None:
    """Open the console in a browser; without a desktop, say where it is."""
    environ = os.environ if environ is None else environ
    url = f"{config.url}{CONSOLE}"
    # Without this check, `webbrowser` would start a browser for terminals in this one.
    desktop = sys.platform == "darwin" or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if not (desktop and webbrowser.open(url)):
        terminal.line(f"No desktop was found here. Open the console in a browser: {url}")


def curl_line(config: StackConfig, key: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a shell command that streams an answer."""
    environ = os.environ if environ is None else environ
    # curl sends requests for this machine through a proxy too, if there is one.
    proxied = any(environ.get(name) for name in ("http_proxy", "ALL_PROXY", "all_proxy"))
    command = "curl -N --noproxy '*'" if proxied else "curl -N"
    authorization = f"-H 'Authorization: Bearer {key}'"
    if config.chat_model is None:
        return f"{command} {config.url}/v1/models {authorization}"
    body = {
        "model": config.chat_model,
        "stream": True,
        "temperature": 0,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    return (
        f"{command} {config.url}/v1/chat/completions \\\n"
        f"  {authorization} \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}"
    )


def python_lines(config: StackConfig, key: str) -> list[str]:
    """Return a short program for the `openai` client."""
    lines = [
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{config.url}/v1", api_key="{key}")',
    ]
    if config.chat_model is None:
        return [*lines, "  print(client.models.list())"]
    return [
        *lines,
        "  answer = client.chat.completions.create(",
        f'      model="{config.chat_model}", temperature=0,',
        f'      messages=[{{"role": "user", "content": "{QUESTION}"}}])',
        "  print(answer.choices[0].message.content)",
    ]
