// The whole job by a signer of others: node client.mjs aws4|smithy. The connection and the key come from the
// environment, as for `ampoule`. Prints what each call gave, one JSON object a line: {"call", "status", "body"}.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";

import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import aws4 from "aws4";

const { AMPOULE_URL, AMPOULE_CA, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = process.env;
const url = new URL(AMPOULE_URL);
const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
const agent = new https.Agent({ ca: readFileSync(AMPOULE_CA), keepAlive: true });

class Sha256 {
  constructor(secret) {
    this.hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret);
  }
  update(data) {
    this.hash.update(data);
  }
  async digest() {
    return new Uint8Array(this.hash.digest());
  }
}

// Headers that sign this request; each takes what the library calls a request.
const signers = {
  aws4(path, body, headers) {
    const options = { host: url.host, path, method: "POST", body, headers, service: "ampoule", region: AWS_REGION };
    return aws4.sign(options, credentials).headers;
  },
  async smithy(path, body, headers) {
    const signer = new SignatureV4({ credentials, region: AWS_REGION, service: "ampoule", sha256: Sha256 });
    const request = new HttpRequest({
      method: "POST", protocol: url.protocol, hostname: url.hostname, port: Number(url.port), path, body,
      headers: { ...headers, host: url.host },
    });
    return (await signer.sign(request)).headers;
  },
};

function send(path, body, headers) {
  return new Promise((resolve, reject) => {
    const options = { hostname: url.hostname, port: url.port, path, method: "POST", headers, agent };
    const request = https.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function call(name, path, content) {
  const body = JSON.stringify(content);
  const wanted = { "content-type": "application/json", "x-ampoule-nonce": randomBytes(8).toString("hex") };
  const headers = await signers[process.argv[2]](path, body, wanted);
  const { status, text } = await send(path, body, headers);
  const answer = text === "" ? null : JSON.parse(text);
  console.log(JSON.stringify({ call: name, status, body: answer }));
  return answer;
}

const card = { number: "4111111111111111", exp_month: 12, exp_year: 2030, cvc: "123", name: "J DOE \u20ac" };
const { token } = await call("tokenize", "/v1/tokens", { card, queue: "payments", metadata: { order: "42" } });
await call("inspect", "/v1/inspect", { token });
const { claim } = await call("claim", "/v1/claim", { token });
await call("abort", "/v1/abort", { claim });
await call("redeem", "/v1/redeem", { token });
await call("redeem again", "/v1/redeem", { token });
agent.destroy();
