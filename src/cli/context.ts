/** Everything a command touches besides its words: the terminal, the clock, the machine. main.ts makes the real one, tests their own. */
import type {
  ByteString,
  Config,
  ConnectedRainbow,
  CopiedStream,
  CopyRequest,
  InstalledService,
  ListedItem,
  ListRequest,
  NodeKind,
  OpenedRainbow,
  OpenRainbowOptions,
  Operations,
  ProofItem,
  ServiceOptions,
  VerifyRequest,
} from "../app/index.ts";
import type { Clock } from "../core/index.ts";

export interface Output {
  readonly isTerminal: boolean;
  readonly columnCount: number;
  /** In order; resolves when it may go on. Never rejects: where nobody reads any more, Context.signal aborts. */
  write(data: string | Uint8Array): Promise<void>;
}

/** What main.ts takes from src/app. */
export interface Machine {
  /** `option`: --config; `dataDirectory`: --data-dir. */
  readConfig(option: string | undefined, dataDirectory: string | undefined): Config;
  defaultConfigFile(): string;
  checkConfig(config: Config): Promise<void>;
  chooseDataDirectory(option: string | undefined, config: Config): string;
  isDataDirectory(path: string): boolean;
  /** Whether it is the one that is chosen where nothing is said, by no option and no RAINBOW_DATA_DIR. */
  isDefaultDataDirectory(path: string): boolean;
  connect(dataDirectory: string): Promise<ConnectedRainbow | undefined>;
  open(options: Pick<OpenRainbowOptions, "dataDirectory" | "mode" | "create" | "events" | "onStarting" | "onReplay">, config: Config): Promise<OpenedRainbow>;
  /** Moves the history to another store; the data directory must not be in use. */
  copyEvents(request: Pick<CopyRequest, "dataDirectory" | "from" | "to" | "signal">): AsyncIterable<CopiedStream>;
  /** Where nothing runs: verifies the events and changes nothing. */
  verifyEvents(request: Pick<VerifyRequest, "dataDirectory" | "signal" | "head" | "machine">): AsyncIterable<ProofItem>;
  storedHeads(request: Pick<VerifyRequest, "dataDirectory" | "signal" | "machine">): Promise<string>;
  /** Resolves when commands can connect; stops when `signal` aborts. */
  serve(operations: Operations, dataDirectory: string, signal: AbortSignal): Promise<{ close(): Promise<void> }>;
  installService(options: Pick<ServiceOptions, "scope" | "dataDirectory">): InstalledService;
  /** What an rsync server has; a login's password is found by the machine. */
  listRsync(request: Omit<ListRequest, "environment">): AsyncIterable<ListedItem>;
  /** RSYNC_PASSWORD. */
  rsyncPassword(): string | undefined;
  existsAt(path: ByteString): boolean;
  kindAt(path: ByteString): NodeKind | "other" | undefined;
  realPathOf(path: ByteString, options: { readonly keepLast: boolean }): ByteString;
  readLines(path: ByteString): string[];
  /** Runs a line of the shell; resolves with its exit code. */
  runCommand(line: string): Promise<number>;
  sharesDisk(a: ByteString, b: ByteString): Promise<boolean>;
}

export interface Context {
  readonly version: string;
  /** How this command line is called: "rainbow", or the path of bin/rainbow where that is not on the PATH. */
  readonly program: string;
  readonly uid: number;
  /** Where the user stands: what relative paths are relative to. */
  readonly cwd: ByteString;
  /** The user's IANA time zone. */
  readonly zone: string;
  readonly clock: Clock;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts on Ctrl-C, on a signal to end, and when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  /** The exit code that an abort of `signal` asks for: 130 after Ctrl-C, 0 after a closed pipe. `up` ends with 0 after either. */
  readonly interruptedExitCode: () => number;
  /** One line from the terminal; undefined where there is none to ask at. */
  readonly ask: (question: string) => Promise<string | undefined>;
  readonly machine: Machine;
}
