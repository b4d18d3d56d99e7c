/** A TOML file as a draft: every value, with the line and column of its key and of itself. */
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser'
import { keyText } from '../schema/shape.ts'
import { type Problem, quoted } from './problem.ts'
import { type Draft, emptyDraft, emptyTable, type Origin, type Path, pathId, tableFor } from './tree.ts'

interface Reader extends Pick<Source, 'isDouble' | 'nameOf'> {
  file: string
  draft: Draft
  problems: Problem[]
}

/** Syntax faults and keys that stand there twice become problems; the draft holds all that could be read. */
export function parseFile(file: string, text: string, problems: Problem[]): Draft {
  const draft = emptyDraft()
  const source = parseToml(file, text, problems)
  if (!source) return draft
  const reader: Reader = { file, draft, problems, isDouble: source.isDouble, nameOf: source.nameOf }
  for (const part of source.program.body[0].body) {
    if (part.type === 'TOMLTable') readTable(reader, part)
    else readPair(reader, [], part)
  }
  return draft
}

function readTable(reader: Reader, { key, resolvedKey, body }: AST.TOMLTable): void {
  if (reader.isDouble(key)) return reportDouble(reader, key, key.keys.map(reader.nameOf))
  tableFor(reader.draft.tree, resolvedKey)
  note(reader, resolvedKey, key, key)
  for (const pair of body) readPair(reader, resolvedKey, pair)
}

function readPair(reader: Reader, base: Path, { key, value }: AST.TOMLKeyValue): void {
  const path = [...base, ...key.keys.map(reader.nameOf)]
  if (reader.isDouble(key)) return reportDouble(reader, key, path)
  for (let length = base.length + 1; length < path.length; length += 1) note(reader, path.slice(0, length), key, key)
  readValue(reader, path, key, value)
}

function readValue(reader: Reader, path: Path, key: AST.TOMLNode, node: AST.TOMLContentNode): void {
  note(reader, path, key, node)
  const parent = tableFor(reader.draft.tree, path.slice(0, -1))
  const name = path.at(-1) ?? ''
  if (node.type === 'TOMLValue') {
    parent[name] = node.value
  } else if (node.type === 'TOMLInlineTable') {
    parent[name] = emptyTable()
    for (const pair of node.body) readPair(reader, path, pair)
  } else {
    parent[name] = []
    for (const [index, element] of node.elements.entries()) readValue(reader, [...path, index], element, element)
  }
}

/** The first place of a table counts: it may be opened by a header and again by dotted keys. */
function note({ file, draft }: Reader, path: Path, key: AST.TOMLNode, value: AST.TOMLNode): void {
  const id = pathId(path)
  if (!draft.origins.has(id)) draft.origins.set(id, originOf(file, key, value))
}

function reportDouble({ file, draft, problems }: Reader, key: AST.TOMLKey, path: Path): void {
  const first = draft.origins.get(pathId(path))
  const place = first?.kind === 'file' ? `, first on line ${first.line}` : ''
  const { line, column } = key.loc.start
  problems.push({ where: `${file}:${line}:${column + 1}`, message: `${quoted(keyText(path))} is set twice${place}` })
}

function originOf(file: string, key: AST.TOMLNode, value: AST.TOMLNode): Origin {
  const { line, column } = key.loc.start
  const { line: valueLine, column: valueColumn } = value.loc.start
  return { kind: 'file', file, line, column: column + 1, valueLine, valueColumn: valueColumn + 1 }
}

// --- The syntax of a TOML file, and the first place that breaks it ---

export interface Source {
  program: AST.TOMLProgram
  /** Names a key of the file has already; the second is reported and not read. */
  isDouble(key: AST.TOMLKey): boolean
  /** The name as it stands in the file. */
  nameOf(node: AST.TOMLBare | AST.TOMLQuoted): string
}

/** The parser's words for it: its errors carry no code (toml-eslint-parser 1.0, `dupe-keys`). A test holds them. */
const DOUBLE_KEY = 'Defining a key multiple times is invalid'
/** One letter takes the place of the first letter of each double, so that the rest of the file can be read. */
const SUBSTITUTES = '-_0123456789'
/** A value with letters in it that only lacks its quotes. */
const BARE_VALUE = /^[^="'#]*=\s*(?!true\b|false\b|[\d.]+\s)([A-Za-z0-9_.-]*[A-Za-z][A-Za-z0-9_.-]*)\s*(?:#.*)?$/

/** Undefined after a fault of syntax, which is then in `problems`. */
export function parseToml(file: string, text: string, problems: Problem[]): Source | undefined {
  const original = text.replace(/^\ufeff/, '')
  const doubles = new Set<number>()
  let source = original
  for (let tries = 0; ; tries += 1) {
    try {
      return sourceOf(parseTOML(source, { tomlVersion: '1.0' }), original, doubles)
    } catch (thrown) {
      if (!(thrown instanceof ParseError)) throw thrown
      const substitute = thrown.message === DOUBLE_KEY ? SUBSTITUTES[tries] : undefined
      if (substitute === undefined) return void problems.push(syntaxProblem(file, original, thrown))
      const letter = thrown.index + (/["']/.test(original.charAt(thrown.index)) ? 1 : 0)
      doubles.add(thrown.index)
      source = source.slice(0, letter) + substitute + source.slice(letter + 1)
    }
  }
}

function sourceOf(program: AST.TOMLProgram, original: string, doubles: ReadonlySet<number>): Source {
  const isDoubleNode = (node: AST.TOMLBare | AST.TOMLQuoted) => doubles.has(node.range[0])
  return {
    program,
    isDouble: key => key.keys.some(isDoubleNode),
    nameOf: node => {
      if (!isDoubleNode(node)) return node.type === 'TOMLBare' ? node.name : node.value
      return original.slice(...node.range).replace(/^["']|["']$/g, '')
    },
  }
}

function syntaxProblem(file: string, text: string, { lineNumber, column, message }: ParseError): Problem {
  const bare = BARE_VALUE.exec(text.split(/\r?\n/)[lineNumber - 1] ?? '')?.[1]
  return {
    where: `${file}:${lineNumber}:${column + 1}`,
    message: `not TOML from here on: ${message.charAt(0).toLowerCase()}${message.slice(1)}`,
    suggestion: bare,
  }
}
