// Starts `portcullis lsp` for the workspace, again when it is told to, and says what to do where it cannot be started.
'use strict';

const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const vscode = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');

/** What the server reads: manifests, saved or not, and guarantees. */
const DOCUMENTS = [
  { scheme: 'file', language: 'yaml' },
  { scheme: 'file', language: 'json' },
  { scheme: 'untitled', language: 'yaml' },
  { scheme: 'untitled', language: 'json' },
  { scheme: 'file', pattern: '**/*.guarantees' },
];

/** How long the program may take to print its help, in milliseconds. */
const PATIENCE = 10_000;

/** @type {vscode.LogOutputChannel} */
let log;
/** @type {LanguageClient | undefined} */
let client;
/** What is started and stopped, one after the other. */
let turn = Promise.resolve();

function activate(context) {
  log = vscode.window.createOutputChannel('Portcullis', { log: true });
  context.subscriptions.push(
    log,
    vscode.commands.registerCommand('portcullis.restart', restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('portcullis')) restart();
    }),
    // The server is told its folders once.
    vscode.workspace.onDidChangeWorkspaceFolders(restart),
  );
  return restart();
}

function deactivate() {
  return inTurn(stop);
}

function restart() {
  return inTurn(async () => {
    await stop();
    await start();
  });
}

function inTurn(task) {
  turn = turn.then(task).catch((error) => log.error(error));
  return turn;
}

async function start() {
  const settings = vscode.workspace.getConfiguration('portcullis');
  const program = settings.get('path');
  const args = ['lsp', ...settings.get('arguments')];
  try {
    // The client would try five times, and report each.
    await promisify(execFile)(program, [...args, '--help'], { timeout: PATIENCE });
  } catch (error) {
    log.error(error);
    // Not waited for: it may never be answered.
    explain(program, error);
    return;
  }
  client = new LanguageClient('portcullis', 'Portcullis', { command: program, args }, {
    documentSelector: DOCUMENTS,
    outputChannel: log,
  });
  await client.start();
}

async function stop() {
  const running = client;
  client = undefined;
  if (!running?.needsStop()) return;
  // One that does not answer is left behind.
  await running.dispose().catch((error) => log.warn(error));
}

/** Says why the program cannot be started, and what to do. */
async function explain(program, error) {
  const [said] = (error.stderr ?? '').trim().split('\n');
  const message = error.code === 'ENOENT'
    ? `the program “${program}” was not found. Install it, or set portcullis.path to where it is.`
    : `“${program}” cannot be started (${said || error.message}). See portcullis.path and portcullis.arguments.`;
  const settings = 'Open settings';
  const output = 'Show output';
  const answer = await vscode.window.showErrorMessage(`Portcullis: ${message}`, settings, output);
  if (answer === settings) {
    // They belong to the machine that the server runs on.
    const place = vscode.env.remoteName ? 'openRemoteSettings' : 'openSettings';
    await vscode.commands.executeCommand(`workbench.action.${place}`, { query: '@ext:portcullis.portcullis' });
  } else if (answer === output) {
    log.show();
  }
}

module.exports = { activate, deactivate };
