// A platform delivers the messages of its couples itself, in its own language: one activity on a task queue of its own.
//
//   npm install && npm start        (TEMPORAL_ADDRESS says where, DUOLOGUE_CODEC_KEYS_FILE names the service keys, if there
//                                    are any; the programme file names the task queue)
//
// `worker.py` is the same in Python. Shapes: `Message` and `Delivered` in duologue/practice/asks.py.
import { ApplicationFailure } from "@temporalio/activity";
import { NativeConnection, Worker } from "@temporalio/worker";
import { dataConverter } from "./codec.js";

interface Message {
  key: string; // the idempotency key: the same message may come again, never another one under this key
  programme: string;
  to: "a" | "b" | "facilitator" | "safeguarding";
  ref: string; // the person, by your own reference
  template: string; // what it is about; the words are yours, neutral, and never about the other partner
  language: string;
  zone: string; // show times in this zone
  home: string; // or in this one, should that not exist
  quiet: { start: string; end: string } | null; // not to be delivered in these hours, by the clock of that zone
  session: number | null;
  start: string | null;
  until: string | null; // after this it has lost its purpose
}

interface Delivered {
  key: string;
  outcome: "delivered" | "undeliverable" | "expired";
  channel: string;
  reason: string; // a word of yours, never of a provider's
}

const WORDS: Record<string, string> = {
  invitation: "Your dialogue is planned for",
  moved: "Your dialogue has a new time:",
  reminder: "Your dialogue is on",
};

function zoneOf(message: Message): string {
  try {
    new Date().toLocaleTimeString("en-GB", { timeZone: message.zone });
    return message.zone;
  } catch {
    return message.home;
  }
}

function inQuietHours(message: Message): boolean {
  if (!message.quiet) return false;
  const { start, end } = message.quiet;
  const options = { hour: "2-digit", minute: "2-digit", timeZone: zoneOf(message) } as const;
  const clock = new Date().toLocaleTimeString("en-GB", options);
  return start < end ? start <= clock && clock < end : clock >= start || clock < end;
}

async function push(ref: string, text: string, key: string): Promise<void> {
  console.log(`${key} -> ${ref}: ${text}`); // stands for your own way to your people
}

async function deliver(message: Message): Promise<Delivered> {
  const told = { key: message.key, channel: "platform", reason: "" };
  if (message.until && Date.now() >= Date.parse(message.until)) {
    return { ...told, outcome: "expired", reason: "too_late" };
  }
  if (inQuietHours(message)) {
    // It was sent outside of them; the attempt comes late. Held, not dropped.
    throw ApplicationFailure.create({ message: "quiet hours", type: "TryAgain", nextRetryDelay: "10 minutes" });
  }
  // Here a notice of a concern can be told from an empty one by the time it takes; `discreetly` in Python shows what to do.
  if (message.template === "none") {
    return { ...told, outcome: "delivered" }; // for nobody, so that the absence of a message tells nothing
  }
  const time = message.start
    ? new Date(message.start).toLocaleString(message.language, {
        dateStyle: "full",
        timeStyle: "short",
        timeZone: zoneOf(message),
      })
    : "";
  const text = `${WORDS[message.template] ?? "There is news about your programme."} ${time}`.trim();
  try {
    await push(message.ref, text, message.key);
  } catch {
    // Say that it failed and never how: what a provider answers may quote an address, and stays in the history.
    throw ApplicationFailure.retryable("could not deliver just now", "TryAgain");
  }
  return { ...told, outcome: "delivered" };
}

// Where there are service keys (as on the server of `make up`), messages come encrypted, and answers go back so.
const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
try {
  const worker = await Worker.create({
    connection,
    identity: "platform",
    taskQueue: "platform-messages",
    dataConverter: dataConverter(),
    activities: { deliver },
  });
  await worker.run();
} finally {
  await connection.close();
}
