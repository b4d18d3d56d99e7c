/** A copy of the project whose sources hold every mutant, each behind a switch: one build serves all of them. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Instrumenter } from '@stryker-mutator/instrumenter'

export interface Mutant {
  id: string
  file: string
  line: number
  /** What kind of change it is, as Stryker names it. */
  mutator: string
  /** The code that is replaced. */
  original: string
  replacement: string
}

export const TREE = path.resolve('.cache/mutate/tree')

/** Texts: golden files hold those that people read, and the types those that programs compare. */
const EXCLUDED = ['StringLiteral']

const no = () => false
const silent = () => {}
const SILENT = {
  isTraceEnabled: no,
  isDebugEnabled: no,
  isInfoEnabled: no,
  isWarnEnabled: no,
  isErrorEnabled: no,
  isFatalEnabled: no,
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
}

/** Writes the tree; answers the mutants of `files`. */
export async function makeTree(files: readonly string[]): Promise<Mutant[]> {
  rmSync(TREE, { recursive: true, force: true, maxRetries: 5 })
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' })
    .trim()
    .split('\n')
  for (const file of tracked) copy(file)
  symlinkSync(path.resolve('node_modules'), path.join(TREE, 'node_modules'))
  const instrumenter = new Instrumenter(SILENT)
  const sources = files.map(name => ({ name, mutate: true as const, content: readFileSync(name, 'utf8') }))
  const options = { plugins: null, excludedMutations: EXCLUDED, ignorers: [], noHeader: false }
  const { files: written, mutants } = await instrumenter.instrument(sources, options)
  for (const { name, content } of written) writeFileSync(path.join(TREE, name), content)
  return mutants
    .filter(({ status }) => status !== 'Ignored')
    .map(({ id, fileName, location, mutatorName, replacement }) => ({
      id,
      file: fileName,
      line: location.start.line + 1,
      mutator: mutatorName,
      original: between(fileName, location),
      replacement,
    }))
}

type Place = { line: number; column: number }

/** The text of a file from one place to another; lines and columns count from 0. */
function between(file: string, { start, end }: { start: Place; end: Place }): string {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .slice(start.line, end.line + 1)
  const last = lines.length - 1
  return lines
    .map((line, at) => line.slice(at === 0 ? start.column : 0, at === last ? end.column : undefined))
    .join('\n')
}

function copy(file: string): void {
  const to = path.join(TREE, file)
  mkdirSync(path.dirname(to), { recursive: true })
  try {
    copyFileSync(file, to)
  } catch (error) {
    // A file that is deleted and not committed yet.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
