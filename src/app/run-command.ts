/** Runs a line of the shell for `snapshot --exec`. */
import { spawn } from "node:child_process";
import { RainbowError } from "../core/index.ts";

/** Its exit code; 128 and the signal's number stand for a signal as in a shell. What it prints goes to stderr. */
export function runCommand(line: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", line], { stdio: ["inherit", 2, 2] });
    child.once("error", (error) => reject(new RainbowError("IO", `'${line}' could not be run: ${error.message}`, {}, error)));
    child.once("exit", (code) => resolve(code ?? 128));
  });
}
