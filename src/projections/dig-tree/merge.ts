/** Sorted runs of keys, merged: of several values of one key the newest wins. */
export interface Entry {
  readonly key: Buffer;
  /** undefined: the key goes. */
  readonly value: Buffer | undefined;
}

interface Run {
  readonly entries: Iterator<Entry>;
  readonly age: number;
  head: Entry;
}

/** `runs` oldest first, each ascending with each key once. Buffers are those of the runs: valid until the next step. */
export function mergeNewest(runs: readonly Iterable<Entry>[]): Iterable<Entry> {
  return runs.length === 1 ? runs[0]! : merged(runs);
}

function* merged(runs: readonly Iterable<Entry>[]): IterableIterator<Entry> {
  const heap: Run[] = [];
  runs.forEach((run, age) => {
    const entries = run[Symbol.iterator]();
    const step = entries.next();
    if (step.done !== true) push(heap, { entries, age, head: step.value });
  });
  let last: Buffer | undefined;
  while (heap.length > 0) {
    const run = heap[0]!;
    const entry = run.head;
    if (last === undefined || !last.equals(entry.key)) {
      last = Buffer.from(entry.key); // The run's own buffer does not outlive its next step.
      yield entry;
    }
    const step = run.entries.next();
    if (step.done === true) removeFirst(heap);
    else {
      run.head = step.value;
      sink(heap, 0);
    }
  }
}

/** Ascending by key; of equal keys the newest run first. */
function comesBefore(a: Run, b: Run): boolean {
  const order = Buffer.compare(a.head.key, b.head.key);
  return order < 0 || (order === 0 && a.age > b.age);
}

function push(heap: Run[], run: Run): void {
  let at = heap.push(run) - 1;
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (comesBefore(heap[parent]!, run)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = run;
}

function removeFirst(heap: Run[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap, 0);
}

function sink(heap: Run[], from: number): void {
  const run = heap[from]!;
  let at = from;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (comesBefore(run, heap[child]!)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = run;
}
