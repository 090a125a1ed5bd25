// Reads callbacks, [{secret, headers, body}, ...], from standard input and prints for each whether it verifies.
const { Webhook } = require("standardwebhooks");

const callbacks = JSON.parse(require("fs").readFileSync(0, "utf8"));
const verdicts = callbacks.map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error.name !== "WebhookVerificationError" && error.constructor.name !== "WebhookVerificationError") throw error;
    return false;
  }
});
console.log(JSON.stringify(verdicts));
