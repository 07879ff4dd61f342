/** A child process that answers one message at a time over IPC; where a message ends it, the next one gets a new child. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";

export type Served<Answer> = { readonly answer: Answer } | { readonly ended: string };

export class ChildService<Question extends object, Answer> {
  private readonly script: string;
  private readonly limitMs: number;
  private readonly greet: ((ask: (question: Question) => Promise<Served<Answer>>) => Promise<void>) | undefined;
  private child: ChildProcess | undefined;

  /** `greet` asks each new child what it must be asked first. */
  constructor(script: string, options: { readonly limitMs: number; readonly greet?: (ask: (question: Question) => Promise<Served<Answer>>) => Promise<void> }) {
    this.script = script;
    this.limitMs = options.limitMs;
    this.greet = options.greet;
  }

  /** How the child ended, where it did or took too long, is an answer too. */
  async ask(question: Question): Promise<Served<Answer>> {
    if (this.child === undefined) {
      this.child = fork(this.script, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
      await this.greet?.((first) => this.exchange(first));
    }
    return await this.exchange(question);
  }

  end(): void {
    this.child?.kill("SIGKILL");
    this.child = undefined;
  }

  private exchange(question: Question): Promise<Served<Answer>> {
    const { child } = this;
    if (child === undefined) return Promise.resolve({ ended: "it had ended before" });
    return new Promise((resolve) => {
      const finish = (served: Served<Answer>): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        if ("ended" in served) this.end();
        resolve(served);
      };
      const timer = setTimeout(() => finish({ ended: `no answer in ${this.limitMs / 1000} s` }), this.limitMs);
      child.once("message", (answer) => finish({ answer: answer as Answer }));
      child.once("exit", (code, signal) => finish({ ended: `the process was ended by ${signal ?? `exit code ${code}`}` }));
      child.send(question);
    });
  }
}
