// What an application does with the official client; prints what it has seen as one JSON object.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.QUERYLAKE_URL + "/v1",
  apiKey: process.env.QUERYLAKE_KEY,
  maxRetries: 0,
});
const messages = [{ role: "user", content: "What is the capital of France?" }];
const seen = {};

const whole = await client.chat.completions.create({
  model: "default", messages, temperature: 0, max_tokens: 12,
});
seen.answer = whole.choices[0].message.content;
seen.requestId = whole._request_id;

const stream = await client.chat.completions.create({
  model: "default", messages, temperature: 0, max_tokens: 12,
  stream: true, stream_options: { include_usage: true },
});
seen.streamed = "";
for await (const chunk of stream) {
  seen.streamed += chunk.choices[0]?.delta.content ?? "";
  seen.usage = chunk.usage ?? seen.usage;
}

const embedded = await client.embeddings.create({
  model: process.env.QUERYLAKE_EMBEDDING_MODEL, input: "a lake",
});
seen.dimensions = embedded.data[0].embedding.length;

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);

const abandoned = await client.chat.completions.create({
  model: "default", messages, max_tokens: 400, stream: true,
});
for await (const _ of abandoned) break; // leaving the loop aborts the request
seen.left = abandoned.controller.signal.aborted;

try {
  await client.chat.completions.create({ model: "gpt-7", messages });
} catch (error) {
  seen.error = { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
}
console.log(JSON.stringify(seen));
