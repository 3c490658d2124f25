// A gateway of others: takes webhooks on loopback, verifies each by `standardwebhooks` and by `svix`, and opens its JWE
// by `jose`. Prints one JSON object a line: first {"port", "keys": [public JWKs]}; then what it is told on standard input
// ({"secret": "whsec_..."} for each path that it may verify) it uses for the webhooks that follow.
import http from "node:http";
import readline from "node:readline";

import { compactDecrypt, decodeProtectedHeader, exportJWK, generateKeyPair } from "jose";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const say = (value) => console.log(JSON.stringify(value));
const pairs = {
  "RSA-OAEP-256": await generateKeyPair("RSA-OAEP-256", { extractable: true }),
  "P-256": await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true }),
  "P-384": await generateKeyPair("ECDH-ES", { crv: "P-384", extractable: true }),
};
let secret;

function verdict(library, body, headers) {
  try {
    new library(secret).verify(body, headers);
    return "verified";
  } catch (error) {
    return error.message;
  }
}

async function open(sealed) {
  for (const [name, { privateKey }] of Object.entries(pairs)) {
    try {
      const { plaintext } = await compactDecrypt(sealed, privateKey);
      return { by: name, header: decodeProtectedHeader(sealed), content: JSON.parse(new TextDecoder().decode(plaintext)) };
    } catch {
      // another key's
    }
  }
  return null;
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const body = Buffer.concat(parts).toString();
    const message = JSON.parse(body);
    say({
      path: request.url, method: request.method, headers: request.headers, body: message,
      standard: verdict(Standard, body, request.headers),
      svix: verdict(Svix, body, request.headers),
      tampered: verdict(Standard, `${body} `, request.headers),
      opened: typeof message.sealed === "string" ? await open(message.sealed) : undefined,
    });
    response.writeHead(204).end();
  });
});
server.listen(0, "127.0.0.1", async () => {
  const keys = [];
  for (const { publicKey } of Object.values(pairs)) keys.push(await exportJWK(publicKey));
  say({ port: server.address().port, keys });
});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  ({ secret } = JSON.parse(line));
  say({ taken: true });
}).on("close", () => process.exit(0));
