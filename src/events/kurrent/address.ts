/**
 * The address of a server or cluster, as its own clients write it: `esdb://` or `kurrentdb://`, with `+discover` where one name stands
 * for all nodes, credentials, several hosts, and options. Anything unknown is refused, so that a slip of the pen is no silent default.
 */
import { resolve } from "node:path";
import { RainbowError } from "../../core/index.ts";

export interface Address {
  /** For the client: normalised, with Rainbow's own options. */
  readonly connectionString: string;
  /** As it was given, with an absolute path of the CA file; what is remembered. */
  readonly text: string;
  /** For people: without the password. */
  readonly shown: string;
  readonly hosts: readonly Endpoint[];
  readonly isTls: boolean;
  readonly verifiesCertificate: boolean;
  readonly caFile: string | undefined;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const SHAPE =
  /^(?<scheme>esdb|kurrentdb|kurrent|kdb)(?<discover>\+discover)?:\/\/(?:(?<user>[^:@/?]+):(?<password>[^@/?]+)@)?(?<hosts>[^/?@]+)\/?(?:\?(?<query>.*))?$/;
const HOST = /^(?<host>[A-Za-z0-9._-]+)(?::(?<port>\d{1,5}))?$/;
const PORT_DEFAULT = 2113;
const HOSTS_MAX = 16; // A cluster has 3 to 7 nodes.
const BOOLEAN = /^(true|false)$/;
const WHOLE_NUMBER = /^\d{1,9}$/;
const TEXT = /^.+$/;
/** What may be said, by the flat name that every client of the server compares with. */
const OPTIONS: Readonly<Record<string, { readonly name: string; readonly shape: RegExp }>> = {
  tls: { name: "tls", shape: BOOLEAN },
  tlsverifycert: { name: "tlsVerifyCert", shape: BOOLEAN },
  tlscafile: { name: "tlsCAFile", shape: TEXT },
  usercertfile: { name: "userCertFile", shape: TEXT },
  userkeyfile: { name: "userKeyFile", shape: TEXT },
  nodepreference: { name: "nodePreference", shape: /^(leader|follower|random|readOnlyReplica)$/i },
  maxdiscoverattempts: { name: "maxDiscoverAttempts", shape: WHOLE_NUMBER },
  discoveryinterval: { name: "discoveryInterval", shape: WHOLE_NUMBER },
  gossiptimeout: { name: "gossipTimeout", shape: WHOLE_NUMBER },
  keepaliveinterval: { name: "keepAliveInterval", shape: WHOLE_NUMBER },
  keepalivetimeout: { name: "keepAliveTimeout", shape: WHOLE_NUMBER },
  connectionname: { name: "connectionName", shape: TEXT },
};
/** A read by way of a follower may lag behind the acknowledged; a dead peer is noticed within 20 s; a connection waits for its first discovery (500 ms by default). */
const DEFAULTS: Readonly<Record<string, string>> = {
  nodePreference: "leader",
  keepAliveInterval: "10000",
  keepAliveTimeout: "10000",
  connectionName: "rainbow",
  discoveryInterval: "20",
  maxDiscoverAttempts: "50",
};

/** USAGE where it cannot be understood. */
export function parseAddress(text: string): Address {
  const groups = SHAPE.exec(text)?.groups;
  const hosts = groups?.["hosts"]?.split(",").map((each) => endpointOf(each));
  if (groups === undefined || hosts === undefined || hosts.includes(undefined) || hosts.length > HOSTS_MAX)
    throw refused(text, "is no address of an event store");
  const said = optionsOf(text, groups["query"] ?? "");
  for (const file of ["tlsCAFile", "userCertFile", "userKeyFile"]) {
    const path = said.get(file);
    if (path !== undefined) said.set(file, resolve(path));
  }
  const { user, password, discover = "" } = groups;
  const place = `${user === undefined || password === undefined ? "" : `${user}:${password}@`}${groups["hosts"] ?? ""}`;
  const ownText = `${groups["scheme"]}${discover}://${place}${queryOf(said)}`;
  return {
    connectionString: `kurrentdb${discover}://${place}${queryOf(new Map([...Object.entries(DEFAULTS), ...said]))}`,
    text: ownText,
    shown: ownText.replace(/\/\/([^:@/?]+):[^@/?]+@/, "//$1:…@"),
    hosts: hosts.filter((each) => each !== undefined),
    isTls: said.get("tls") !== "false",
    verifiesCertificate: said.get("tlsVerifyCert") !== "false",
    caFile: said.get("tlsCAFile"),
    credentials: user === undefined || password === undefined ? undefined : { username: decodeURIComponent(user), password: decodeURIComponent(password) },
  };
}

function endpointOf(text: string): Endpoint | undefined {
  const groups = HOST.exec(text)?.groups;
  const port = Number(groups?.["port"] ?? PORT_DEFAULT);
  return groups?.["host"] === undefined || port < 1 || port > 65_535 ? undefined : { host: groups["host"], port };
}

function optionsOf(text: string, query: string): Map<string, string> {
  const said = new Map<string, string>();
  for (const pair of query === "" ? [] : query.split("&")) {
    const [key = "", value = ""] = pair.split("=", 2);
    const option = OPTIONS[key.toLowerCase().replace(/[-_]/g, "")];
    if (option === undefined)
      throw refused(
        text,
        `has the unknown option '${key}' (there are: ${Object.values(OPTIONS)
          .map((each) => each.name)
          .join(", ")})`,
      );
    if (!option.shape.test(value)) throw refused(text, `gives ${option.name} the value '${value}'`);
    said.set(option.name, decodeURIComponent(value));
  }
  return said;
}

function queryOf(options: ReadonlyMap<string, string>): string {
  const pairs = [...options].map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function refused(text: string, why: string): RainbowError {
  const shown = text.replace(/\/\/([^:@/?]+):[^@/?]+@/, "//$1:…@");
  return new RainbowError(
    "USAGE",
    `'${shown}' ${why}: give 'embedded', or an address such as esdb://user:password@host1:2113,host2:2113?tlsCAFile=/etc/ca.pem`,
  );
}
