// Payloads encrypted by service keys, opened and written as docs/reference/encrypted-payloads.md says.
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { blake2b } from "@noble/hashes/blake2.js";
import { DefaultFailureConverter, type Payload, type PayloadCodec } from "@temporalio/common";
import proto from "@temporalio/proto";

type Scope = "ops" | "safeguarding";
type Ring = { seal: string } & Record<Scope, string[]>;

const SCOPES: readonly Scope[] = ["ops", "safeguarding"];
const VERSION = "1";
const [STAMP, NONCE, LENGTH, TAG] = [16, 12, 4, 16]; // bytes
// What a worker that delivers writes is for safeguarding: then nobody can tell from an answer what it was about.
const WRITTEN: Scope = "safeguarding";
const BUCKET = 2560;

const of = (text: string): Buffer => Buffer.from(text);

class ServiceKeys implements PayloadCodec {
  readonly #seal: Buffer;
  readonly #keys = new Map<string, Buffer>(); // by scope and id
  readonly #current: string;

  constructor(ring: Ring) {
    this.#seal = Buffer.from(ring.seal, "base64");
    for (const scope of SCOPES) {
      for (const key of ring[scope]) this.#keys.set(`${scope}/${this.#idOf(scope, key)}`, Buffer.from(key, "base64"));
    }
    this.#current = this.#idOf(WRITTEN, ring[WRITTEN][0]!);
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const inner = proto.temporal.api.common.v1.Payload.encode(payload).finish();
      const filled = Math.ceil((LENGTH + inner.length) / BUCKET) * BUCKET;
      const plain = Buffer.alloc(filled);
      plain.writeUInt32BE(inner.length);
      plain.set(inner, LENGTH);
      const [bound, nonce] = [boundOf(WRITTEN, this.#current), randomBytes(NONCE)];
      const cipher = createCipheriv("aes-256-gcm", this.#keys.get(`${WRITTEN}/${this.#current}`)!, nonce).setAAD(bound);
      const closed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      return {
        metadata: {
          encoding: of("binary/encrypted"),
          "encryption-version": of(VERSION),
          "encryption-scope": of(WRITTEN),
          "encryption-key-id": of(this.#current),
        },
        data: Buffer.concat([this.#stamp(bound, closed), closed]),
      };
    });
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const said = (name: string): string => Buffer.from(payload.metadata?.[name] ?? []).toString();
      if (said("encoding") !== "binary/encrypted") return payload;
      const [scope, id] = [said("encryption-scope"), said("encryption-key-id")];
      const data = Buffer.from(payload.data ?? []);
      const [bound, closed] = [boundOf(scope, id), data.subarray(STAMP)];
      const whole = said("encryption-version") === VERSION && closed.length >= NONCE + TAG;
      if (!whole || !timingSafeEqual(this.#stamp(bound, closed), data.subarray(0, STAMP))) {
        throw new Error("a payload is forged, damaged, or of another key ring");
      }
      const key = this.#keys.get(`${scope}/${id}`);
      if (!key) throw new Error(`the ${scope} key ${id} is not at hand; add it to DUOLOGUE_CODEC_KEYS_FILE`);
      const cipher = createDecipheriv("aes-256-gcm", key, closed.subarray(0, NONCE)).setAAD(bound);
      cipher.setAuthTag(closed.subarray(-TAG));
      const plain = Buffer.concat([cipher.update(closed.subarray(NONCE, -TAG)), cipher.final()]);
      return proto.temporal.api.common.v1.Payload.decode(plain.subarray(LENGTH, LENGTH + plain.readUInt32BE()));
    });
  }

  #idOf(scope: Scope, key: string): string {
    const named = Buffer.concat([of(`${scope}\0`), Buffer.from(key, "base64")]);
    return Buffer.from(this.#hash(8, "duologue.key", named)).toString("hex");
  }

  #stamp(bound: Buffer, closed: Buffer): Uint8Array {
    return this.#hash(STAMP, "duologue.stamp", Buffer.concat([bound, closed]));
  }

  #hash(dkLen: number, person: string, data: Uint8Array): Uint8Array {
    const personalization = Buffer.alloc(16); // filled with zeros
    personalization.write(person);
    return blake2b(data, { dkLen, key: this.#seal, personalization });
  }
}

function boundOf(scope: string, id: string): Buffer {
  return of(["duologue.codec", VERSION, scope, id].join("\0"));
}

// For a worker's `dataConverter`: with service keys where some are named, and as Temporal does it where none are.
export function dataConverter(): { payloadCodecs?: PayloadCodec[]; failureConverterPath?: string } {
  const { DUOLOGUE_CODEC_KEYS: given, DUOLOGUE_CODEC_KEYS_FILE: file } = process.env;
  const ring = given || (file && readFileSync(file, "utf8"));
  if (!ring) return {};
  return { payloadCodecs: [new ServiceKeys(JSON.parse(ring))], failureConverterPath: import.meta.filename };
}

// What an activity fails with is encrypted as well.
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
