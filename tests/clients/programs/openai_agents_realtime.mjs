// OpenAI's Agents SDK asks a question aloud, with a client secret as a page would; what it then knows is JSON.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { URL: url, KEY: key, SPEECH: speech, MODULES: modules } = process.env;
const { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } = createRequire(`${modules}/`)(
  '@openai/agents-realtime',
);
const HZ = 24_000;
const PIECE_BYTES = HZ / 5;
const WAV_HEADER_BYTES = 44;

const made = await fetch(`${url}/v1/realtime/client_secrets`, {
  method: 'POST',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ session: { type: 'realtime', model: 'gpt-realtime' } }),
});
const { value: secret } = await made.json();

const agent = new RealtimeAgent({ name: 'Assistant', instructions: 'Be brief.' });
const address = `${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
const session = new RealtimeSession(agent, {
  transport: new OpenAIRealtimeWebSocket({ url: address }),
  model: 'gpt-realtime',
  config: { audio: { output: { voice: 'alloy' } } },
});
const told = { errors: [], audio_s: 0, said: '' };
session.on('error', (error) => told.errors.push(String(error?.error?.message ?? error)));
session.on('audio', (event) => {
  told.audio_s += event.data.byteLength / HZ / 2;
});
const ended = new Promise((resolve) => session.on('agent_end', (_context, _agent, said) => resolve(said)));

await session.connect({ apiKey: secret, url: address });
const question = Buffer.concat([readFileSync(`${speech}/pump_house.wav`).subarray(WAV_HEADER_BYTES), Buffer.alloc(HZ * 4)]);
for (let start = 0; start < question.length; start += PIECE_BYTES) {
  session.sendAudio(new Uint8Array(question.subarray(start, start + PIECE_BYTES)).buffer);
}
told.said = await ended;
told.history = session.history.map(({ role, status, content }) => ({ role, status, text: content[0].transcript }));
session.close();
process.stdout.write(JSON.stringify(told), () => process.exit(0));
