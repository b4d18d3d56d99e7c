/** What stands at the end of every help text: the columns of what is printed, and examples: real ones, to paste. */

/** Apart, so that the small program for these commands carries no others. */
export const LS = [
  'tdf ls',
  'tdf ls --label team=web --since 24h --sort -age',
  'tdf ls --columns id,status,title --no-header',
  'tdf ls --all --status failed -q | tdf retry -',
  'tdf ls --watch',
]
/** As in `task-text.ts`, which loads when the command runs; a test compares them. */
export const LS_COLUMNS = [
  ...['id', 'status', 'step', 'verdict', 'age', 'node', 'agent', 'try', 'cost', 'machine', 'labels', 'branch'],
  ...['score', 'fit', 'submitted', 'waiting-for', 'title'],
]
export const SHOW = ['tdf show @last', 'tdf show 7kq2 --json']
export const WHY = ['tdf why @last', 'tdf why --group warnings']

export const EXAMPLES = {
  tdf: ['tdf init', 'tdf submit "fix the flaky test in test/auth" --check "npm test" --wait', 'tdf watch'],
  mcp: ['tdf mcp', 'tdf mcp --read-only', 'tdf mcp --max-tasks 20 --max-cost 10 --label mcp=site --repo ~/code/site'],
  submit: [
    'tdf submit "fix the flaky test in test/auth" --check "npm test" --wait',
    'tdf submit --repo ~/code/site --ref main --agent codex "update the dependencies"',
    `tdf submit --wait -- sh -c 'make format && git commit -qam "format"'`,
    'git log -1 --format=%B | tdf submit - --title "follow up on the last commit"',
    'tdf submit "fix issue 12" --check "npm test" --pr',
    'tdf submit "make the page blue" --artifacts "test-results/**" --artifacts "*.png"',
    'tdf submit "add a test for it" --from @last --check "npm test"',
    'tdf submit "write the release notes" --after 7kq2,9fx4 --if ended',
    'tdf submit "fix the warnings in {}" --each files.txt --group warnings --at-most 3 --reduce "run all tests"',
    'tdf submit "make the parser faster" --n 3 --agent claude,codex --check "npm test" --pick ./score.sh',
    'tdf submit "fix issue 12" --check "npm test" --until green --rounds 2 --wait',
    'tdf submit --template fix-issue --set issue=412 --dry-run',
    `echo '{"prompt":"update the licence year","labels":{"job":"year"}}' | tdf submit --file -`,
  ],
  ls: LS,
  show: SHOW,
  status: ['tdf status', 'tdf status --short', 'tdf status @last'],
  why: WHY,
  logs: [
    'tdf logs @last -f',
    'tdf logs @last -f --tail 20',
    'tdf logs @last --since 10m -t',
    'tdf logs 7kq2 --failed',
    'tdf logs 7kq2 --session setup',
  ],
  events: ['tdf events', 'tdf events --follow --since 120'],
  errors: ['tdf errors', 'tdf errors --task @last --json'],
  wait: [
    'tdf wait @last --timeout 30m',
    'tdf wait 7kq2 9fx4 --for step=running',
    'tdf wait 7kq2 9fx4 --any',
    'tdf wait @last --for green',
    'tdf wait --group warnings',
  ],
  watch: ['tdf watch', 'tdf watch @last', 'tdf watch | head'],
  continue: [
    'tdf continue @last "now add a test for it" --wait',
    'tdf continue 7kq2 "make the check pass" --agent codex --max-cost 5',
    'git diff | tdf continue @last - --idempotency-key review-1',
  ],
  retry: [
    'tdf retry @last',
    'tdf retry @last --resume',
    'tdf retry @last-failed --wait',
    'tdf retry --status failed --label team=web --dry-run',
    'tdf ls -q --status failed | tdf retry -',
  ],
  cancel: ['tdf cancel @last', 'tdf cancel --label team=web --dry-run', 'tdf cancel --status queued --yes'],
  send: ['tdf send @last "now add a test for it"', 'tdf send @last --close', 'git diff | tdf send @last -'],
  rm: ['tdf rm @last', 'tdf rm --status cancelled --yes'],
  secret: ['tdf secret set ANTHROPIC_API_KEY', 'tdf secret ls'],
  'secret set': ['tdf secret set ANTHROPIC_API_KEY', 'pass show openai | tdf secret set OPENAI_API_KEY'],
  'secret ls': ['tdf secret ls', 'tdf secret ls -q'],
  'secret rm': ['tdf secret rm OPENAI_API_KEY'],
  agent: ['tdf agent ls'],
  'agent ls': ['tdf agent ls', 'tdf agent ls --json'],
  prune: ['tdf prune --older-than 30d --dry-run', 'tdf prune --older-than 30d --yes'],
  diff: ['tdf diff @last', 'tdf diff @last --stat', 'tdf diff @last | git apply --3way'],
  apply: ['tdf apply @last', 'tdf apply @last --3way'],
  push: ['tdf push @last', 'tdf push @last --pr', 'tdf push 7kq2 --remote upstream --branch fix/flaky-test'],
  pr: ['tdf pr ls', 'tdf pr show @last', 'tdf pr pause @last'],
  'pr ls': ['tdf pr ls', 'tdf pr ls --json'],
  'pr show': ['tdf pr show @last', 'tdf pr show 7kq2 --json'],
  'pr watch': ['tdf pr watch @last --until merged', 'tdf pr watch 7kq2 --rounds 5'],
  'pr adopt': [
    'tdf pr adopt https://github.com/acme/web/pull/7 --until merged',
    'tdf pr adopt https://github.com/acme/web/pull/7 --agent codex --remote origin',
  ],
  'pr pause': ['tdf pr pause @last'],
  'pr resume': ['tdf pr resume @last', 'tdf pr resume 7kq2 --rounds 2'],
  'pr stop': ['tdf pr stop @last'],
  pull: ['tdf pull @last && git merge "$(tdf pull @last)"', 'tdf pull @last --branch try-it'],
  fit: ['tdf fit', 'tdf fit @last --onto main', 'tdf fit --group sweep', 'tdf ls -q --status completed | tdf fit -'],
  land: [
    'tdf land @last',
    'tdf land 7kq2 9fx4 --check "npm test" --squash',
    'tdf land @last --resolve',
    'tdf land @last --onto main --dry-run',
  ],
  artifacts: ['tdf artifacts @last', 'tdf artifacts 7kq2@1 -l'],
  'artifacts get': ['tdf artifacts get @last', 'tdf artifacts get 7kq2 "test-results/**" --to /tmp/look'],
  shell: ['tdf shell @last'],
  node: ['tdf node ls', 'tdf node add root@192.0.2.7', 'tdf node drain box1'],
  cost: ['tdf cost', 'tdf cost --since 7d --by day', 'tdf cost --by label --json', 'tdf cost --by agent -o csv'],
  top: ['tdf top', 'tdf top --once', 'tdf top --json'],
  'node ls': ['tdf node ls', 'tdf node ls --json'],
  'node show': ['tdf node show local'],
  'node add': [
    'tdf node add root@192.0.2.7',
    'tdf node add ci@box1 --name box1 --host-key SHA256:CXl1Nd7k2eYc0J0yB3Iu8Xn1m2c3d4e5f6g7h8i9j0k',
  ],
  'node drain': ['tdf node drain box1', 'tdf node drain box1 --dry-run', 'tdf node drain box1 --undo'],
  'node rm': ['tdf node rm tdf-3f2a-1', 'tdf node rm box1 --discard-work --confirm box1'],
  reap: ['tdf reap --dry-run', 'HCLOUD_TOKEN=$(cat token) tdf reap --install 3f2a9c0d1e5b7a64'],
  daemon: ['tdf daemon start', 'tdf daemon status', 'tdf daemon install --user'],
  'daemon run': ['tdf daemon run', 'TDF_HOME=/tmp/try tdf daemon run'],
  'daemon status': ['tdf daemon status', 'tdf daemon status --json'],
  'daemon stop': ['tdf daemon stop'],
  'daemon start': ['tdf daemon start', 'sudo tdf daemon start --system'],
  'daemon restart': ['tdf daemon restart'],
  'daemon logs': ['tdf daemon logs', 'tdf daemon logs -f --tail 20'],
  'daemon reload': ['tdf daemon reload'],
  'daemon adopt': ['tdf daemon adopt', 'sudo tdf daemon adopt --yes && sudo systemctl start tdfd'],
  'daemon drain': ['tdf daemon drain --timeout 2h', 'tdf daemon drain --undo'],
  'daemon install': ['sudo tdf daemon install --system', 'tdf daemon install --user', 'tdf daemon install --print'],
  'daemon uninstall': ['sudo tdf daemon uninstall --system'],
  config: ['tdf config show --origin', 'tdf config check'],
  'config check': ['tdf config check', 'TDF_CONFIG=./config.toml tdf config check'],
  'config show': ['tdf config show --origin'],
  'config example': ['tdf config example > ~/.config/tdf/config.toml'],
  'config path': ['"$EDITOR" "$(tdf config path)"'],
  'config schema': ['tdf config schema > config.schema.json'],
  completion: [
    'tdf completion bash > ~/.local/share/bash-completion/completions/tdf',
    'tdf completion zsh > ~/.zfunc/_tdf',
    'tdf completion fish > ~/.config/fish/completions/tdf.fish',
  ],
  'exit-codes': ['tdf help exit-codes', 'tdf exit-codes --json'],
  man: ['tdf man | man -l -', 'tdf man tdf-config.5 | man -l -', 'tdf man --to ~/.local/share/man'],
  complete: ['tdf complete -- show ""'],
  cluster: ['tdf cluster ls', 'tdf cluster handover'],
  'cluster ls': ['tdf cluster ls', 'tdf cluster ls --json'],
  'cluster handover': ['tdf cluster handover', 'tdf cluster handover tdf2'],
  db: ['tdf db backup', 'tdf db check'],
  'db backup': ['tdf db backup', 'tdf db backup --to ~/tdf-before-the-move.db'],
  'db check': ['tdf db check', 'tdf db check ~/tdf-before-the-move.db'],
  'db export': ['tdf db export', 'tdf db export --to postgres://tdf@db1,db2/tdf'],
  'db import': ['tdf db import', 'tdf db import --from postgres://tdf@db1,db2/tdf'],
  'db restore': ['tdf db restore --yes', 'tdf db restore ~/tdf-before-the-move.db'],
  doctor: ['tdf doctor', 'tdf doctor --json', 'tdf doctor --bundle'],
  version: ['tdf version', 'tdf version --json'],
  quickstart: ['tdf quickstart'],
  init: ['tdf init', 'tdf init --dry-run', 'tdf init --yes --json'],
} satisfies Record<string, string[]>

export type ExampleOf = keyof typeof EXAMPLES

/** What `--columns` takes, and `--sort` where there is one. */
export const COLUMNS: Partial<Record<string, readonly string[]>> = {
  ls: LS_COLUMNS,
  'node ls': [
    ...['name', 'provider', 'status', 'tasks', 'size', 'location', 'price/h', 'age', 'address', 'warm-until'],
    'waiting-for',
  ],
  top: ['node', 'state', 'tasks', 'processor', 'memory', 'disk', 'price/h', 'warm'],
  fit: ['id', 'fit', 'onto', 'title'],
  artifacts: ['size', 'from', 'sha256', 'path'],
  reap: ['name', 'server', 'lease', 'price/h', 'outcome'],
  events: ['seq', 'ago', 'time', 'about', 'type', 'what'],
  errors: ['ago', 'time', 'level', 'task', 'step', 'source', 'code', 'message'],
  'secret ls': ['name', 'set', 'given-to'],
  'config show': ['key', 'value', 'origin', 'a-change-needs'],
  doctor: ['check', 'state', 'what'],
}

export const examples = (command: ExampleOf): string => exampleText(EXAMPLES[command], COLUMNS[command])

export function exampleText(lines: readonly string[], columns: readonly string[] = []): string {
  const named = columns.length === 0 ? '' : `\nColumns:\n  ${columns.join(', ')}\n`
  return `${named}\nExamples:\n${lines.map(line => `  ${line}\n`).join('')}`
}
