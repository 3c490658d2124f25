// fauxqs speaks no TLS: its own application behind Node's https.
//   node fauxqs_tls.mjs PORT CERT KEY CIPHERSUITE
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { buildApp } from "fauxqs";

const [port, cert, key, ciphers] = process.argv.slice(2);
const app = buildApp();
await app.ready();
createServer({ cert: readFileSync(cert), key: readFileSync(key), minVersion: "TLSv1.3", ciphers }, app.routing).listen(
  Number(port),
  "127.0.0.1",
);
