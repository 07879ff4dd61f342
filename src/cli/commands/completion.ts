/** rainbow completion: scripts for shells, made from the commands and options themselves. */
import type { Command } from "commander";
import { EXIT, RainbowError } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";

interface Words {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flag: string; readonly summary: string; readonly takesValue: boolean }[];
}

export const command: CommandFile = {
  declare: (self) =>
    self.addHelpText("after", '\nbash: eval "$(rainbow completion bash)"   zsh: eval "$(rainbow completion zsh)"   fish: rainbow completion fish | source'),
  run: async (invocation, given) => {
    const shell = word(given, 0);
    const script = shell === "bash" ? bashScript : shell === "zsh" ? zshScript : shell === "fish" ? fishScript : undefined;
    if (script === undefined) throw new RainbowError("USAGE", `completion: bash, zsh or fish, not '${shell ?? ""}'`);
    const program = await invocation.wholeProgram();
    const common = optionsOf(program);
    const commands = program.commands.map((each) => ({ name: each.name(), summary: each.description(), options: [...optionsOf(each), ...common] }));
    await invocation.report.bytes(Buffer.from(script(commands, common)));
    return EXIT.ok;
  },
};

function optionsOf(self: Command): Words["options"] {
  return self.options.flatMap((option) =>
    option.long === undefined || option.long === null
      ? []
      : [{ flag: option.long, summary: option.description, takesValue: option.required || option.optional }],
  );
}

type Script = (commands: readonly Words[], common: Words["options"]) => string;

/** Paths complete as files everywhere: they are named as on disk. */
const bashScript: Script = (commands, common) => `# bash completion for rainbow
_rainbow() {
  local current=\${COMP_WORDS[COMP_CWORD]} command= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --data-dir) i=$((i + 1)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  COMPREPLY=()
  if [[ $current == -* ]]; then
    local options='${common.map(({ flag }) => flag).join(" ")}'
    case $command in
${commands.map(({ name, options }) => `      ${name}) options='${options.map(({ flag }) => flag).join(" ")}' ;;`).join("\n")}
    esac
    COMPREPLY=($(compgen -W "$options --help" -- "$current"))
  elif [[ -z $command ]]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(" ")} help' -- "$current"))
  fi
}
complete -o default -o bashdefault -F _rainbow rainbow
`;

const zshScript: Script = (commands, common) => `#compdef rainbow
_rainbow() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${zshWord(`${name}:${summary}`)}`).join("\n")}
  )
  _arguments -C ${common.map(zshOption).join(" ")} '1:command:->command' '*::argument:->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${commands.map(({ name, options }) => `        ${name}) _arguments ${options.map(zshOption).join(" ")} '*:path:_files' ;;`).join("\n")}
      esac ;;
  esac
}
compdef _rainbow rainbow
`;

const fishScript: Script = (commands, common) => `# fish completion for rainbow
${commands.map(({ name, summary }) => `complete -c rainbow -n __fish_use_subcommand -f -a ${name} -d ${fishWord(summary)}`).join("\n")}
${common.map((option) => `complete -c rainbow ${fishOption(option)}`).join("\n")}
${commands
  .flatMap(({ name, options }) =>
    options.filter((option) => !common.includes(option)).map((option) => `complete -c rainbow -n '__fish_seen_subcommand_from ${name}' ${fishOption(option)}`),
  )
  .join("\n")}
`;

function zshOption({ flag, summary, takesValue }: Words["options"][number]): string {
  const text = summary.replace(/[[\]:\\]/g, (c) => `\\${c}`);
  return zshWord(`${flag}[${text}]${takesValue ? ":value:_files" : ""}`);
}

function zshWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function fishOption({ flag, summary, takesValue }: Words["options"][number]): string {
  return `-l ${flag.slice(2)}${takesValue ? " -r" : ""} -d ${fishWord(summary)}`;
}

function fishWord(text: string): string {
  return `'${text.replace(/[\\']/g, (c) => `\\${c}`)}'`;
}
