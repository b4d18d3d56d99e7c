/**
 * Every key of the dashboard: what it does by name, in which places, and what it is unless `[tui.keys]` says otherwise.
 * The bindings, their help and the configuration are all made from this table. Imports nothing.
 */

export type Place = 'tasks' | 'nodes' | 'events' | 'schedules' | 'task' | 'node' | 'schedule'

interface KeyRow {
  /** The first is the one that help and footer name. */
  keys: readonly string[]
  places: readonly Place[]
  help: string
  /** Newer than configurations that may give its key another meaning: there the key is theirs. */
  yields?: true
}

const ALL: readonly Place[] = ['tasks', 'nodes', 'events', 'schedules', 'task', 'node', 'schedule']
const TEXT: readonly Place[] = ['task', 'events']
const EACH: readonly Place[] = ['tasks', 'task']
const OPEN: readonly Place[] = ['task', 'node', 'schedule']
const SCHEDULES: readonly Place[] = ['schedules', 'schedule']

/** In the order of the help. */
const TABLE = {
  down: { keys: ['j', 'down'], places: ALL, help: 'down' },
  up: { keys: ['k', 'up'], places: ALL, help: 'up' },
  first: { keys: ['g', 'home'], places: ALL, help: 'first' },
  last: { keys: ['G', 'end'], places: ALL, help: 'last' },
  page_down: { keys: ['pagedown'], places: ALL, help: 'a page down' },
  page_up: { keys: ['pageup'], places: ALL, help: 'a page up' },
  half_page_down: { keys: ['ctrl-d'], places: ALL, help: 'half a page down' },
  half_page_up: { keys: ['ctrl-u'], places: ALL, help: 'half a page up' },
  open: { keys: ['enter', 'l'], places: ['tasks', 'nodes', 'schedules'], help: 'open it' },
  clear: { keys: ['esc'], places: ['tasks', 'events'], help: 'clear marks, filter or search' },
  back: { keys: ['esc', 'enter'], places: OPEN, help: 'clear the search, then back to the list' },
  pane: { keys: ['tab'], places: ['task'], help: 'log, check, diff, events, prompt' },
  task_above: { keys: ['['], places: OPEN, help: 'the one above' },
  task_below: { keys: [']'], places: OPEN, help: 'the one below' },
  follow: { keys: ['f'], places: TEXT, help: 'follow the end, or hold still' },
  wrap: { keys: ['w'], places: ['task'], help: 'wrap long lines' },
  times: { keys: ['t'], places: ['task'], help: 'times before the lines of log and check', yields: true },
  search: { keys: ['/'], places: TEXT, help: 'search what is shown' },
  next_hit: { keys: ['n'], places: TEXT, help: 'the next hit, downwards' },
  previous_hit: { keys: ['N'], places: TEXT, help: 'the hit above' },
  filter: { keys: ['/'], places: ['tasks'], help: 'filter: status:failed label:x !not' },
  mark: { keys: ['space'], places: ['tasks'], help: 'mark for the next action' },
  submit: { keys: ['n'], places: ['tasks'], help: 'a new task', yields: true },
  retry: { keys: ['r'], places: EACH, help: 'retry: open the next attempt' },
  cancel: { keys: ['x'], places: EACH, help: 'cancel; what was made is kept' },
  send: { keys: ['i'], places: EACH, help: 'send the agent something more' },
  continue: { keys: ['c'], places: EACH, help: 'continue one that is over', yields: true },
  pull: { keys: ['p'], places: EACH, help: 'pull: its commits as a branch here', yields: true },
  apply: { keys: ['a'], places: EACH, help: 'apply: its changes in the work tree', yields: true },
  push: { keys: ['P'], places: EACH, help: 'push its branch', yields: true },
  forget: { keys: ['D'], places: EACH, help: 'forget it, with its result', yields: true },
  shell: { keys: ['S'], places: EACH, help: 'a shell in its workspace', yields: true },
  drain: { keys: ['d'], places: ['nodes', 'node'], help: 'drain it, or take it back to work' },
  run: { keys: ['r'], places: SCHEDULES, help: 'submit its task now', yields: true },
  pause: { keys: ['p'], places: SCHEDULES, help: 'pause it, or let it go on', yields: true },
  sort: { keys: ['o'], places: ['tasks'], help: 'sort: activity, age, title, cost' },
  reverse: { keys: ['O'], places: ['tasks'], help: 'reverse the order' },
  groups: { keys: ['b'], places: ['tasks'], help: 'by groups, what is held below what holds it', yields: true },
  stream: { keys: ['s'], places: EACH, help: 'its plain log; s comes back' },
  pager: { keys: ['e'], places: EACH, help: 'all of it in your $PAGER' },
  copy: { keys: ['y'], places: EACH, help: 'copy the id' },
  tasks: { keys: ['1'], places: ALL, help: 'tasks' },
  nodes: { keys: ['2'], places: ALL, help: 'nodes' },
  events: { keys: ['3'], places: ALL, help: 'events' },
  schedules: { keys: ['4'], places: ALL, help: 'schedules', yields: true },
  help: { keys: ['?'], places: ALL, help: 'this help' },
  suspend: { keys: ['ctrl-z'], places: ALL, help: 'suspend; fg comes back' },
  quit: { keys: ['q'], places: ALL, help: 'leave; tasks go on' },
} as const satisfies Record<string, KeyRow>

export type KeyName = keyof typeof TABLE
export type KeyMap = Readonly<Record<KeyName, readonly string[]>>

export const KEY_TABLE: Readonly<Record<KeyName, KeyRow>> = TABLE
export const KEY_NAMES = Object.keys(TABLE) as KeyName[]

// The names are those of the table that it is made from.
export const DEFAULT_KEYS = Object.fromEntries(KEY_NAMES.map(name => [name, TABLE[name].keys])) as unknown as KeyMap

/** How keys are written: a character, a name, or Ctrl with a letter. Some letters with Ctrl are other keys to a terminal. */
export const KEY_FORM =
  /^(?:[^\s\p{C}]|up|down|pageup|pagedown|home|end|enter|esc|tab|space|backspace|ctrl-[abdefgklnopqrstuvwxyz])$/u

export interface Clash {
  name: KeyName
  key: string
  /** What the key means there already. */
  other: KeyName
}

/** The map without the keys of newer rows that the configuration gives to another one in the same place. */
export function settledKeys(map: KeyMap): KeyMap {
  const isTaken = (name: KeyName, key: string) =>
    KEY_NAMES.some(other => other !== name && isOwn(map, other) && map[other].includes(key) && meet(other, name))
  const kept = (name: KeyName) =>
    KEY_TABLE[name].yields && !isOwn(map, name) ? map[name].filter(key => !isTaken(name, key)) : map[name]
  // The names are those of the map that it is made from.
  return Object.fromEntries(KEY_NAMES.map(name => [name, kept(name)])) as unknown as KeyMap
}

/** Whether the configuration says something else than the table. */
const isOwn = (map: KeyMap, name: KeyName) => map[name].join(' ') !== KEY_TABLE[name].keys.join(' ')

/** A key means one thing in a place. */
export function clashesOf(given: KeyMap): Clash[] {
  const map = settledKeys(given)
  return KEY_NAMES.flatMap((name, index) =>
    map[name].flatMap((key): Clash[] => {
      const other = KEY_NAMES.slice(0, index).find(before => map[before].includes(key) && meet(before, name))
      return other === undefined ? [] : [{ name, key, other }]
    }),
  )
}

function meet(one: KeyName, two: KeyName): boolean {
  return KEY_TABLE[one].places.some(place => KEY_TABLE[two].places.includes(place))
}
