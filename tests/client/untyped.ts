// Each statement is wrong, by the types: `deno check` must find as many faults as there are lines below the import.
import { connect, Refusal } from "../../static/hub-client.js";
connect({ token: "abc" });
connect({ tokens: () => null });
connect().watch("1");
connect().watch(1, (state) => state.people);
connect().on("closed", () => {});
connect().on("session", ({ title }) => title);
connect().on("roster", ({ people }) => people.size);
connect().state(1).live;
connect().connection.name = "open";
connect().roster(1)?.set("a", { id: "a", name: "A", role: "student", joinedAt: "" });
new Refusal();
