// Makes a key pair and prints its public half; then opens one sealed box a line and prints what was in it. All of it is
// base64, so that no byte is lost on the way.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sodium = createRequire(process.cwd() + "/")("libsodium-wrappers");
await sodium.ready;
const text = (bytes) => sodium.to_base64(bytes, sodium.base64_variants.ORIGINAL);
const bytes = (line) => sodium.from_base64(line, sodium.base64_variants.ORIGINAL);

const pair = sodium.crypto_box_keypair();
console.log(text(pair.publicKey));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(text(sodium.crypto_box_seal_open(bytes(line), pair.publicKey, pair.privateKey)));
}
