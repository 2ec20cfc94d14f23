"""Calls of tools that a grammar holds, whatever the model's chat template knows of tools.

llama.cpp reads calls as a chat template writes them, but its `tool_choice: "required"` does not
keep the model from writing text first, without end. So where a call is required, where the response
must follow a schema if it is no call, and where the template knows no tools, the response is made
to be JSON:

- `[{"name": …, "arguments": …}, …]`: calls,
- `{…}`: the structured response,
- `"…"`: a text.
"""
