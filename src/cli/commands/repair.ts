/** rainbow repair: rebuilds what can be rebuilt, and saves what is sound of damaged events. 3 where something is lost, 30 where damage is left. */
import type { ProblemItem, ProgressItem, SalvagedItem } from "../../app/index.ts";
import type { CommandFile } from "../command.ts";
import { plural } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import type { Invocation } from "../invocation.ts";
import { reportProblems } from "../streams.ts";

export const command: CommandFile = {
  run: async (invocation) => {
    const operations = await invocation.operations({ mode: "repair", create: false });
    await invocation.report.say(`repairing ${invocation.dataDirectory}`);
    let isLost = false;
    const items = afterSalvage(invocation, operations.repair({}, invocation.context.signal), () => (isLost = true));
    return await reportProblems(invocation, items, {
      get none() {
        return isLost ? "repaired, but for what is lost" : "repaired: no problem is left";
      },
    });
  },
};

/** Says what became of damaged events, and passes on everything else. */
async function* afterSalvage(
  invocation: Invocation,
  items: AsyncIterable<ProgressItem | ProblemItem | SalvagedItem>,
  onLost: () => void,
): AsyncGenerator<ProgressItem | ProblemItem> {
  for await (const item of items) {
    if (item.type !== "salvaged") yield item;
    else {
      if (item.lostEventCount !== 0) onLost();
      await reportSalvage(invocation, item);
    }
  }
}

async function reportSalvage({ report, context }: Invocation, item: SalvagedItem): Promise<void> {
  await report.json(item);
  const { damage, keptPath, lostEventCount, savedRevision, savedTimeUs } = item;
  await report.warn(`the event store was damaged (${damage}) and was made anew of what is sound in it; the damaged one is kept as ${keptPath}`);
  if (lostEventCount === 0) return report.say("no event is lost");
  const end = `${formatMoment(savedTimeUs, context.zone)} (r${savedRevision})`;
  const lost = lostEventCount === undefined ? "what came" : plural(lostEventCount, "event");
  const count = lostEventCount === undefined ? "is lost, if anything did (the damaged store does not tell)" : "are lost";
  await report.incompleteBecause(
    `${lost} after ${end} ${count}: every instant up to there can be named, later ones cannot; the next 'up' compares everything and goes on from there`,
  );
}
