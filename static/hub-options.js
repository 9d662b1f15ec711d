// hub-client.js, what it is given: what is wrong with it is told by the sentence of a TypeError.

const HERE = new URL("..", import.meta.url); // of `/static/hub-options.js` the hub itself
const LARGEST_ID = 2 ** 31 - 1;

/** {url, token, Socket} as they are used: `url` is the WebSocket's, `token` a function or null. */
export function checked(options) {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("`connect` takes an object of options: {url, token, WebSocket}.");
  }
  const { url = HERE, token = null, WebSocket: Socket = globalThis.WebSocket, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown) throw new TypeError(`There is no option "${unknown}": there are url, token and WebSocket.`);
  if (token !== null && typeof token !== "function") {
    throw new TypeError("`token` must be a function that answers a token: a fresh one is asked for at each connect.");
  }
  if (typeof Socket !== "function") {
    throw new TypeError("There is no WebSocket here: give a class of one as the option `WebSocket`.");
  }
  return { url: endpoint(url), token, Socket };
}

export function checkId(id) {
  if (Number.isInteger(id) && id > 0 && id <= LARGEST_ID) return;
  throw new TypeError(`A session's id must be a whole number from 1 on, not ${String(id)}.`);
}

export function checkListener(listener) {
  if (typeof listener !== "function") throw new TypeError("A listener must be a function.");
}

/** Where the WebSocket is, of where the hub is. */
function endpoint(given) {
  const url = parsed(given);
  if (url.protocol === "file:") {
    throw new TypeError("`url` is needed here: where the hub is, such as https://hub.example.");
  }
  if (!/^(http|ws)s?:$/.test(url.protocol)) {
    throw new TypeError(`\`url\` must begin with https:, http:, wss: or ws:, not with ${url.protocol}`);
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new TypeError("`url` must have no query, fragment or credentials: a token is what `token` is for.");
  }
  url.protocol = url.protocol.replace("http", "ws");
  if (!url.pathname.endsWith("/ws")) url.pathname = `${url.pathname.replace(/\/$/, "")}/ws`;
  return url.href;
}

function parsed(given) {
  try {
    return new URL(given, globalThis.location?.href);
  } catch {
    throw new TypeError(`\`url\` must be an address such as https://hub.example, not ${String(given)}.`);
  }
}
