// A wallet in miniature: calls a Miden remote prover of another origin by gRPC-Web, with nothing but fetch.
//
// The test calls `prove` and `statuses`. Messages are written and read by hand, as far as the contract's go: varints and bytes.
"use strict";

const TRAILERS = 0x80;
const FRAME_HEADER = 5;
const text = new TextDecoder();

function varint(value) {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

// Fields of a message by number, each a list of what was there: numbers and bytes.
function fields(bytes) {
  const found = {};
  let at = 0;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length) throw new Error("the message ends too early");
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const chunk = (size) => {
    if (at + size > bytes.length) throw new Error("the message ends too early");
    at += size;
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    const key = number();
    const wire = key & 7;
    if (wire !== 0 && wire !== 2) throw new Error(`wire type ${wire}`);
    (found[key >>> 3] ??= []).push(wire === 0 ? number() : chunk(number()));
  }
  return found;
}

// The messages and the trailers of an answer's body.
function frames(body) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const answer = { messages: [], trailers: {} };
  for (let at = 0; at < body.length; ) {
    const end = at + FRAME_HEADER + view.getUint32(at + 1);
    if (end > body.length) throw new Error("the answer ends within a frame");
    const content = body.subarray(at + FRAME_HEADER, end);
    if (body[at] & TRAILERS) {
      for (const line of text.decode(content).split("\r\n").filter(Boolean)) {
        const colon = line.indexOf(":");
        answer.trailers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
    } else {
      answer.messages.push(content);
    }
    at = end;
  }
  return answer;
}

async function call(url, message) {
  const frame = new Uint8Array(FRAME_HEADER + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, FRAME_HEADER);
  const headers = {
    "content-type": "application/grpc-web+proto",
    "x-grpc-web": "1",
    "x-user-agent": "hierophant-e2e",
  };
  const response = await fetch(url, { method: "POST", mode: "cors", headers, body: frame });
  const answer = frames(new Uint8Array(await response.arrayBuffer()));
  const read = (name) => decodeURIComponent(response.headers.get(name) ?? "");
  answer.headers = { "grpc-status": read("grpc-status"), "grpc-message": read("grpc-message") };
  return answer;
}

async function status(url) {
  const answer = await call(url, new Uint8Array());
  if (answer.trailers["grpc-status"] !== "0") throw new Error(`${url}: ${JSON.stringify(answer)}`);
  const message = fields(answer.messages[0]);
  const worker = (bytes) => {
    const { 1: [name] = [], 2: [version] = [], 3: [health] = [] } = fields(bytes);
    return { name: text.decode(name), version: text.decode(version), health };
  };
  return { version: text.decode(message[1][0]), workers: (message[3] ?? []).map(worker) };
}

async function statuses(door) {
  return {
    worker: await status(`${door}/remote_prover.WorkerStatusApi/Status`),
    proxy: await status(`${door}/remote_prover.ProxyStatusApi/Status`),
  };
}

async function prove(door, method, kind, witness) {
  const payload = Uint8Array.from(atob(witness), (character) => character.charCodeAt(0));
  // ProofRequest: 1 proof_type, a number; 2 payload, bytes.
  const start = [0x08, ...varint(kind), 0x12, ...varint(payload.length)];
  const message = new Uint8Array(start.length + payload.length);
  message.set(start);
  message.set(payload, start.length);

  const started = performance.now();
  const { messages, trailers, headers } = await call(door + method, message);
  const seconds = (performance.now() - started) / 1000;
  // Proof: 1 payload, bytes.
  const proof = messages.length === 1 ? fields(messages[0])[1][0] : new Uint8Array();
  const encoded = btoa(Array.from(proof, (byte) => String.fromCharCode(byte)).join(""));
  return { proof: encoded, seconds, trailers, headers };
}
