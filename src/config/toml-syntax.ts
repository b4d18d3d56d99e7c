/** The syntax of a TOML file, and the first place that breaks it. */
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser'
import type { Problem } from './problem.ts'

export interface Source {
  program: AST.TOMLProgram
  /** Says whether a key was there before. */
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
