/** Label selectors as the API documents them: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, and commas. */

type Labels = Readonly<Record<string, string>>

export function matches(labels: Labels, selector: string): boolean {
  return terms(selector).every(term => matchesTerm(labels, term.trim()))
}

function matchesTerm(labels: Labels, term: string): boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term)
  if (set) {
    const [, key = '', how, list = ''] = set
    const isIn = list.split(',').some(value => value.trim() === labels[key])
    return how === 'in' ? isIn : !isIn
  }
  const pair = /^([^!=\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(term)
  if (pair) {
    const [, key = '', how, value] = pair
    return how === '!=' ? labels[key] !== value : labels[key] === value
  }
  return term.startsWith('!') ? !Object.hasOwn(labels, term.slice(1)) : Object.hasOwn(labels, term)
}

/** Commas part terms, except inside a list. */
const terms = (selector: string) => selector.split(/,(?![^(]*\))/).filter(term => term.trim() !== '')
