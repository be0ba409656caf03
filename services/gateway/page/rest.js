// The gateway's REST, with the key where it asks for one. All addresses are relative, so that a proxy may serve the
// page below a path of its own.

const STORED = "ledge-key";

export class Refused extends Error {
  constructor(message, status, retryAfterS = null) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

export const key = {
  get: () => sessionStorage.getItem(STORED) ?? "",
  set: (value) => (value ? sessionStorage.setItem(STORED, value) : sessionStorage.removeItem(STORED)),
};

export function address(path) {
  return new URL(path, document.baseURI);
}

export function headers() {
  return key.get() ? { authorization: `Bearer ${key.get()}` } : {};
}

// The answer's JSON. Throws Refused: with status 0 where nobody answers.
export async function call(method, path, body = undefined) {
  const json = body === undefined ? {} : { "content-type": "application/json" };
  let response, text;
  try {
    response = await fetch(address(path), {
      method,
      headers: { ...headers(), ...json },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
    text = await response.text();
  } catch (error) {
    throw new Refused(error.message, 0);
  }
  if (!response.ok) throw refusal(response.status, text, response.headers.get("retry-after"));
  return JSON.parse(text);
}

// What a door's error says, whichever shape it has.
export function refusal(status, text, retryAfter = null) {
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    // Not of the gateway, but of something before it: the status has to do.
  }
  const message = told.error?.message ?? told.message ?? told.detail ?? `HTTP ${status}`;
  return new Refused(message, status, retryAfter ? Number(retryAfter) : null);
}
