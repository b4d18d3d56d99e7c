/** The quick pass: all tests in one process, each one repeated for the mutants that it reaches (runner.ts). */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Note } from './runner.ts'
import { TREE } from './tree.ts'
import { ask, endWorker, openWorker } from './worker-process.ts'

const JOURNAL = path.join(path.dirname(TREE), 'journal')
const CHOSEN = path.join(path.dirname(TREE), 'chosen.json')
/** For all that is no try of a mutant: loading, and tests without a mutant. */
const SILENT_MS_MAX = 300_000
const LOOK_EVERY_MS = 2_000

export interface FileNote extends Extract<Note, { kind: 'file' }> {}

export interface Found {
  /** The test that noticed it, by mutant. */
  killed: Map<string, string>
  unsure: Set<string>
  files: FileNote[]
}

/** Runs `tests` in their order for the mutants `chosen`. Throws when a test fails without any mutant. */
export async function quickPass(tests: readonly string[], chosen: readonly string[]): Promise<Found> {
  mkdirSync(path.dirname(JOURNAL), { recursive: true })
  rmSync(JOURNAL, { force: true })
  writeFileSync(JOURNAL, '')
  for (;;) {
    const found = readJournal()
    const done = new Set(found.files.map(({ file }) => file))
    const files = tests.filter(test => !done.has(test))
    if (files.length === 0) return found
    writeFileSync(CHOSEN, JSON.stringify(chosen.filter(id => !found.killed.has(id))))
    await runAll(files)
  }
}

/** Until it is through, or one mutant hangs: that one is noted as killed, and the next process goes on behind it. */
async function runAll(files: readonly string[]): Promise<void> {
  const worker = await openWorker({ TDF_MUTATE_JOURNAL: JOURNAL, TDF_MUTATE_CHOSEN: CHOSEN })
  const alarm = new AbortController()
  const before = readNotes().length
  const timer = setInterval(() => {
    const last = readNotes().slice(before).at(-1)
    const msMax = last?.kind === 'try' ? last.msMax : SILENT_MS_MAX
    if (Date.now() - statSync(JOURNAL).mtimeMs > msMax) alarm.abort()
  }, LOOK_EVERY_MS)
  try {
    await ask(worker, { mutant: undefined, files }, alarm.signal)
    if (readNotes().filter(({ kind }) => kind === 'file').length < files.length) throw new Error('a file was not run')
  } catch (error) {
    const since = readNotes().slice(before)
    const last = since.at(-1)
    if (last === undefined) throw error
    // What a mutant had begun may end the process later, also after the last file: the next process goes on behind that.
    if (last.kind !== 'try') return
    const killed: Note = { kind: 'killed', mutant: last.mutant, test: `${last.test}, which never ended` }
    writeFileSync(JOURNAL, `${JSON.stringify(killed)}\n`, { flag: 'a' })
  } finally {
    clearInterval(timer)
    endWorker(worker)
  }
}

function readJournal(): Found {
  const notes = readNotes()
  const broken = notes.find(({ kind }) => kind === 'broken')
  if (broken?.kind === 'broken') throw new Error(`${broken.test} fails without any mutant`)
  return {
    killed: new Map(notes.flatMap(note => (note.kind === 'killed' ? [[note.mutant, note.test]] : []))),
    unsure: new Set(notes.flatMap(note => (note.kind === 'unsure' ? note.mutants : []))),
    files: notes.flatMap(note => (note.kind === 'file' ? [note] : [])),
  }
}

function readNotes(): Note[] {
  if (!existsSync(JOURNAL)) return []
  const lines = readFileSync(JOURNAL, 'utf8').split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as Note)
}
