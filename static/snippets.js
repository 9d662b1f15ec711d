// What may be copied: a request of the reference as curl and as JavaScript, and what the client makes of a message.
// Pure text from the documents. What only the reader has, they set once: $TOKEN and $ID, or `token` and `id`.

/** The variable for a value that no example can hold, like a fresh signature: its names in a shell and in JavaScript. */
const inShell = (name) => name.replaceAll("-", "_").toUpperCase();
const inScript = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

export const exampleOf = (about) => Object.values(about?.examples ?? {})[0]?.value;

function query(parameters) {
  const asked = new URLSearchParams();
  for (const parameter of parameters) {
    const value = parameter.in === "query" ? exampleOf(parameter) : undefined;
    for (const one of value === undefined ? [] : [value].flat()) asked.append(parameter.name, one);
  }
  return asked.size ? `?${asked}` : "";
}

/** What both languages are made from; `name` writes a variable. */
function request(path, about, origin, name) {
  const { parameters = [], security = [], requestBody } = about;
  const headers = [];
  if (security.length && !security.some((one) => !Object.keys(one).length)) headers.push(["Authorization", `Bearer ${name("token")}`]);
  const [[type, content] = []] = Object.entries(requestBody?.content ?? {});
  if (type) headers.push(["Content-Type", type]);
  for (const { name: header, in: where, required } of parameters) {
    if (where === "header" && required) headers.push([header, name(header)]);
  }
  return { url: origin + path.replace(/\{(\w+)\}/g, (_, one) => name(one)) + query(parameters), headers, body: exampleOf(content) };
}

/** The media type of the answer when all goes well. */
function answers(about) {
  const status = Object.keys(about.responses).find((one) => one.startsWith("2"));
  const [[type, { schema } = {}] = []] = Object.entries(about.responses[status].content ?? {});
  return { type, wrapped: Boolean(schema?.properties?.success) };
}

/** A command for a POSIX shell. */
export function curl(path, method, about, origin) {
  const { url, headers, body } = request(path, about, origin, (name) => `$${inShell(name)}`);
  const parts = [`curl${answers(about).type === "text/event-stream" ? " -N" : ""} "${url}"`];
  if (method !== "get") parts.push(`-X ${method.toUpperCase()}`);
  for (const [name, value] of headers) parts.push(`-H "${name}: ${value}"`);
  if (body !== undefined) parts.push(`-d '${JSON.stringify(body, null, 2).replaceAll("'", "'\\''")}'`);
  return parts.join(" \\\n  ");
}

/** A value as people write it in a program: names without quotes where they need none. */
function literal(value) {
  return JSON.stringify(value, null, 2).replace(/^(\s*)"([A-Za-z_]\w*)":/gm, "$1$2:");
}

const indented = (text, by) => text.replaceAll("\n", `\n${" ".repeat(by)}`);

/** A text with variables in it, as an expression. */
function expression(text) {
  const [, alone] = /^\$\{(\w+)\}$/.exec(text) ?? [];
  return alone ?? (text.includes("${") ? `\`${text}\`` : JSON.stringify(text));
}

/** A module's text, for browsers and for Node. */
export function javascript(path, method, about, origin) {
  const { url, headers, body } = request(path, about, origin, (name) => `\${${inScript(name)}}`);
  const { type, wrapped } = answers(about);
  if (type === "text/event-stream") {
    return `const events = new EventSource(${expression(url)});\nevents.addEventListener("session", ({ data }) => console.log(JSON.parse(data)));`;
  }
  const options = [];
  if (method !== "get") options.push(`method: "${method.toUpperCase()}"`);
  const lines = headers.map(([name, value]) => `${/^\w+$/.test(name) ? name : JSON.stringify(name)}: ${expression(value)}`);
  if (lines.length) options.push(`headers: { ${lines.join(", ")} }`);
  if (body !== undefined) options.push(`body: JSON.stringify(${indented(literal(body), 2)})`);
  const call = `const answer = await fetch(${expression(url)}${options.length ? `, {\n  ${options.join(",\n  ")},\n}` : ""});`;
  if (!type?.includes("json")) {
    return `${call}\nif (!answer.ok) throw new Error((await answer.json()).detail);\nconsole.log(await answer.text());`;
  }
  return `${call}\nconst body = await answer.json();\nif (!answer.ok) throw new Error(body.detail);\nconsole.log(body${wrapped ? ".data" : ""});`;
}

/** How the client is had: what follows speaks of its `hub`. */
export const connected = (origin) => `import { connect } from "${origin}/static/hub-client.js";

const hub = connect({ token: async () => token });
hub.on("connection", ({ name, retryAt }) => console.log(name, retryAt));`;

const TAG = "script"; // no source of the page has a script in markup, and a test looks for one

/** A whole file that shows how many are in session 1. */
export const pageThatWatches = (origin) => `<!doctype html>
<p><output id="live">…</output> here</p>
<${TAG} type="module">
  ${connected(origin).split("\n")[0]}
  connect().watch(1, ({ live }) => { document.getElementById("live").value = live; });
</${TAG}>`;

/** By a message's name: what one writes with the client instead, or what the client does by itself. */
export const ON_THE_CLIENT = {
  auth: `// \`token\` of connect() is asked at each connect, and before a token ends.
hub.on("person", (person) => console.log(person?.user));
hub.on("refused", ({ code, message }) => console.log(code, message));`,
  watch: `const stop = hub.watch(id, (state) => console.log(\`\${state.live} here\`));
const stopCatalog = hub.watchCatalog(({ session }) => console.log(session.title));`,
  unwatch: `const stop = hub.watch(id);
stop();`,
  join: `const { meeting } = await hub.join(id);
console.log(meeting?.url, hub.isIn(id));`,
  leave: `await hub.leave(id);
console.log(hub.isIn(id));`,
  roster: `hub.on("roster", ({ session, people }) => console.log(session, [...(people?.values() ?? [])]));
console.log(hub.roster(id));`,
  presence: `hub.on("roster", ({ joined, left }) => console.log(joined.length, left.length));`,
  session: `hub.watch(id);
hub.on("session", (state) => console.log(state.session, state.live, state.revision));`,
  catalog: `hub.watchCatalog(({ session }) => console.log(session.id, session.status));`,
  error: `try {
  await hub.join(id);
} catch (refusal) {
  console.log(refusal.code, refusal.message);
}
hub.on("ejected", ({ session, code }) => console.log(session, code));`,
};
