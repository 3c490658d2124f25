import http from "node:http";
import { compactDecrypt, importJWK } from "jose";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET); // whsec_...
const key = await importJWK(JSON.parse(process.env.PRIVATE_JWK), "ECDH-ES");

async function take({ sealed }) {
  if (!sealed) return;
  const { plaintext } = await compactDecrypt(sealed);
  console.log("card", JSON.parse(new TextDecoder().decode(plaintext)).card.number.slice(-4));
}

http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let message;
  try {
    message = webhook.verify(Buffer.concat(chunks).toString(), request.headers);
  } catch {
    return response.writeHead(401).end();
  }
  await take(message).then(() => response.writeHead(204), () => response.writeHead(500));
  response.end();
}).listen(process.env.PORT, "127.0.0.1");
