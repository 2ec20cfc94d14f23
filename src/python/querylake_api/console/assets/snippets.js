// The request of the playground as a program that the reader can run. The key is never part of it.

const KEY_VARIABLE = "QUERYLAKE_API_KEY";

const shellQuoted = (text) => `'${text.replaceAll("'", `'"'"'`)}'`;

/** Python's literals are JSON's, but for three words. */
function python(value, indent = "") {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  if (Array.isArray(value)) return `[\n${value.map((each) => `${inner}${python(each, inner)},\n`).join("")}${indent}]`;
  return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${python(each, inner)}`).join(", ")}}`;
}

function curlSnippet(body) {
  return [`curl -N ${location.origin}/v1/chat/completions \\`,
    `  -H "Authorization: Bearer $${KEY_VARIABLE}" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${shellQuoted(JSON.stringify(body))}`].join("\n");
}

function pythonSnippet(body) {
  const given = Object.entries(body).map(([name, value]) => `    ${name}=${python(value, "    ")},`);
  return ["# pip install openai", "import os", "", "from openai import OpenAI", "",
    `client = OpenAI(base_url="${location.origin}/v1", api_key=os.environ["${KEY_VARIABLE}"])`,
    "stream = client.chat.completions.create(", ...given, ")",
    "for chunk in stream:", "    if chunk.choices and chunk.choices[0].delta.content:",
    `        print(chunk.choices[0].delta.content, end="", flush=True)`].join("\n");
}

function javascriptSnippet(body) {
  const given = JSON.stringify(body, null, 2);
  return ["// npm install openai", `import OpenAI from "openai";`, "",
    `const client = new OpenAI({ baseURL: "${location.origin}/v1", apiKey: process.env.${KEY_VARIABLE} });`,
    `const stream = await client.chat.completions.create(${given});`,
    "for await (const chunk of stream) {", `  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");`, "}"].join("\n");
}

const SNIPPETS = [["curl", curlSnippet], ["Python", pythonSnippet], ["JavaScript", javascriptSnippet]];
