"""The chat template of the packaged model, SmolLM2-135M, instead of its own.

Its own begins every chat without a system message with one that names the model. The 4-bit weights
cope badly with that: of twelve plain questions (capitals, colours, authors) they answer 8 with it
and 10 without. Its own knows no tools either.

What is said of tools is short and ends with an example, because so small a model then goes on from
a result to an answer; with longer instructions it calls the tool again. llama.cpp finds out by
itself how calls are written: https://github.com/ggml-org/llama.cpp/blob/master/docs/autoparser.md
"""

from __future__ import annotations

_SYSTEM_WITH_TOOLS = """\
{%- if tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if messages[0]['role'] == 'system' -%}{{- messages[0]['content'] + '\\n\\n' -}}{%- endif -%}
{{- 'Answer with a tool call if a tool helps.\\nTools:' -}}
{%- for tool in tools -%}{{- '\\n' + (tool['function'] | tojson) -}}{%- endfor -%}
{{- '\\nExample: <tool_call>\\n{"name": "' + tools[0]['function']['name'] -}}
{{- '", "arguments": {}}\\n</tool_call><|im_end|>\\n' -}}
{%- endif -%}
"""

_CALLS = """\
{%- if message['content'] -%}{{- message['content'] + '\\n' -}}{%- endif -%}
{%- for call in message['tool_calls'] -%}
{{- '<tool_call>\\n{"name": "' + call['function']['name'] + '", "arguments": ' -}}
{{- call['function']['arguments'] | tojson -}}
{{- '}\\n</tool_call>' -}}
{%- if not loop.last -%}{{- '\\n' -}}{%- endif -%}
{%- endfor -%}
"""

PACKAGED_TEMPLATE = (
    _SYSTEM_WITH_TOOLS
    + """\
{%- for message in messages -%}
{%- if not (tools and loop.first and message['role'] == 'system') -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' and message['tool_calls'] -%}
"""
    + _CALLS
    + """\
{%- else -%}
{{- message['content'] -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
)
