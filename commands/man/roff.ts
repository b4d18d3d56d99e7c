/** Text as troff takes it, in the macros of man(7). */

/** No text of ours is taken for a request, and a minus stays one that can be pasted. */
export function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')
}

export const section = (title: string, ...parts: readonly string[]) => `.SH ${title.toUpperCase()}\n${parts.join('')}`
export const subsection = (title: string, ...parts: readonly string[]) => `.SS ${quoted(title)}\n${parts.join('')}`
export const paragraph = (text: string) => `.PP\n${roff(text)}\n`
/** A term in bold, and below it what it means. */
export const item = (term: string, text: string) => `.TP\n.B ${quoted(term)}\n${roff(text)}\n`
/** Lines as they stand. */
export const verbatim = (lines: readonly string[]) => `.PP\n.nf\n.RS 4\n${lines.map(roff).join('\n')}\n.RE\n.fi\n`

export function header(name: string, number: number, version: string): string {
  return `.TH ${quoted(name.toUpperCase())} ${number} "" ${quoted(`tdf ${version}`)} "tdf manual"\n`
}

/** One argument of a macro. */
function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', '\\(dq')}"`
}
