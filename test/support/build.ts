/** Builds `dist/` once before any test, so that tests of processes run what a user would run. */
import { execFileSync } from 'node:child_process'

export default function setup(): void {
  execFileSync(process.execPath, ['bin/build.mjs'], { stdio: 'inherit' })
}
