/** Starts, kills and starts again the stand-in for an EventStoreDB server, in a process of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";

const START_MS_MAX = 60_000;

export class StandInServer {
  readonly port: number;
  private readonly file: string;
  private child: ChildProcess;

  private constructor(file: string, port: number, child: ChildProcess) {
    this.file = file;
    this.port = port;
    this.child = child;
  }

  /** `file`: where it keeps its log. It ends with this process. */
  static async start(file: string): Promise<StandInServer> {
    const { child, port } = await launch(file, 0);
    const server = new StandInServer(file, port, child);
    process.on("exit", () => server.child.kill("SIGKILL"));
    return server;
  }

  get address(): string {
    return `esdb://127.0.0.1:${this.port}?tls=false`;
  }

  async kill(): Promise<void> {
    this.child.ref(); // Else a test that waits for its end could end before.
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
  }

  /** On the same port, with what it had. */
  async restart(): Promise<void> {
    this.child = (await launch(this.file, this.port)).child;
  }

  pauseFor(delayMs: number): void {
    this.child.kill("SIGSTOP");
    setTimeout(() => this.child.kill("SIGCONT"), delayMs);
  }
}

function launch(file: string, port: number): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), file, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the stand-in server did not start")), START_MS_MAX);
    child.stdout?.on("data", (data: Buffer) => {
      const found = /PORT=(\d+)/.exec(data.toString())?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      child.unref();
      (child.stdout as unknown as { unref(): void }).unref();
      resolve({ child, port: Number(found) });
    });
    child.once("exit", (code) => reject(new Error(`the stand-in server ended with ${code}`)));
  });
}
