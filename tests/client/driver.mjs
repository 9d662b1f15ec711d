// A client that a test steers from outside, in Node or in a browser: orders in, and everything it is told out.

const NAMES = ["connection", "person", "session", "roster", "catalog", "missing", "joined", "ejected", "refused"];

/** `tell` gets {event, detail} of each event, and {done, answer} or {done, code, message} of each order. */
export function drive({ connect }, { signs, ...options }, tell) {
  const given = [];
  const wanting = [];
  const token = () => (given.length ? given.shift() : new Promise((resolve) => wanting.push(resolve)));
  const asking = () => {
    tell({ event: "token" });
    return token();
  };
  const hub = connect({ ...options, token: signs ? asking : null });
  for (const event of NAMES) {
    hub.on(event, (detail) => tell({ event, detail: { ...detail, ...(detail?.people && { people: [...detail.people.keys()] }) } }));
  }
  const unwatches = new Map();
  const orders = {
    token: (value) => void (wanting.length ? wanting.shift()(value) : given.push(value)),
    watch: (ids) => void unwatches.set(String(ids), hub.watch(ids)),
    unwatch: (ids) => unwatches.get(String(ids))(),
    watchCatalog: () => void hub.watchCatalog(),
    see: (id) => ({ state: hub.state(id) ?? null, isIn: hub.isIn(id), people: hub.roster(id) && [...hub.roster(id).keys()], person: hub.person, connection: hub.connection, now: Date.now() }),
    join: (id) => hub.join(id),
    leave: (id) => hub.leave(id),
    retry: () => hub.retry(),
    signIn: () => hub.signIn(),
    close: () => hub.close(),
  };
  return async ({ done, order, with: argument }) => {
    try {
      tell({ done, answer: (await orders[order](argument)) ?? null });
    } catch ({ code, message }) {
      tell({ done, code, message });
    }
  };
}

/** The client's own time runs `times` as fast as the world's: for what takes it half a minute to find out. */
export function hurry(times) {
  const real = { setTimeout, setInterval, now: Date.now };
  const begun = real.now();
  globalThis.setTimeout = (work, ms, ...more) => real.setTimeout(work, ms / times, ...more);
  globalThis.setInterval = (work, ms, ...more) => real.setInterval(work, ms / times, ...more);
  Date.now = () => begun + (real.now() - begun) * times;
}
