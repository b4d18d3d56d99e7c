/** A TOML file as a draft: every value, with the line and column of its key and of itself. */
import type { AST } from 'toml-eslint-parser'
import { type Problem, quoted } from './problem.ts'
import { keyText } from './shape.ts'
import { parseToml } from './toml-syntax.ts'
import { type Draft, emptyDraft, emptyTable, type Origin, type Path, pathId, tableFor } from './tree.ts'

interface Reader {
  file: string
  draft: Draft
  /** Names a key of the file has already; the second is reported and not read. */
  isDouble(key: AST.TOMLKey): boolean
  nameOf(node: AST.TOMLBare | AST.TOMLQuoted): string
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
  if (reader.isDouble(key)) {
    reportDouble(reader, key, key.keys.map(reader.nameOf))
    return
  }
  tableFor(reader.draft.tree, resolvedKey)
  note(reader, resolvedKey, key, key)
  for (const pair of body) readPair(reader, resolvedKey, pair)
}

function readPair(reader: Reader, base: Path, { key, value }: AST.TOMLKeyValue): void {
  const path = [...base, ...key.keys.map(reader.nameOf)]
  if (reader.isDouble(key)) {
    reportDouble(reader, key, path)
    return
  }
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
  const [at, valueAt] = [key.loc.start, value.loc.start]
  return {
    kind: 'file',
    file,
    line: at.line,
    column: at.column + 1,
    valueLine: valueAt.line,
    valueColumn: valueAt.column + 1,
  }
}
