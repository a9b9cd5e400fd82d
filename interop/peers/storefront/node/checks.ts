// A list of checks, each of which prints one line.
import { flags } from './client.ts';

type Check = () => Promise<void>;
const checks: { name: string; run: Check; running?: Promise<void> }[] = [];
const LIMIT_MS = 60_000;

export function check(name: string, run: Check): void {
  checks.push({ name, run });
}

/** A check that takes long and disturbs nobody: it begins at once. */
export function longCheck(name: string, run: Check): void {
  const running = run();
  running.catch(() => {}); // told when its turn comes
  checks.push({ name, run, running });
}

/** Runs all in order and says whether all passed. */
export async function runChecks(): Promise<boolean> {
  let failed = 0;
  const chosen = checks.filter(({ name }) => name.startsWith(flags.only ?? ''));
  for (const { name, run, running } of chosen) {
    let timer;
    const limit = new Promise<void>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
    });
    try {
      await Promise.race([running ?? run(), limit]);
      console.log(`${name}: ok`);
    } catch (error) {
      failed += 1;
      console.log(`${name}: FAILED ${String((error as Error).stack ?? error).split('\n').slice(0, 4).join(' | ')}`);
    }
    clearTimeout(timer);
  }
  return failed === 0;
}
