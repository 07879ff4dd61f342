/**
 * The event store on an EventStoreDB / KurrentDB server or cluster, through its own client. All of the port, as the embedded store has
 * it; concrete expectations alone, unknown outcomes resolved before anything else is answered, outages waited out for a minute.
 * Stricter: names that begin with "$" or "rainbow-" are refused. Looser: a repeat of events that are truncated or deleted is judged by
 * their ids, as long as the server remembers them. Others may change a stream's metadata; they must not append to our streams.
 */
export { parseAddress } from "./address.ts";
export { openKurrentEventStore } from "./store.ts";
