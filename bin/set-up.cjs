"use strict";
// Installs the packages of package-lock.json. Written for old Nodes (from 12 on), as it runs before Node 24 is there; started by
// bin/node24, which holds the lock. Says what it does on stderr, so that stdout stays the command's own. No package's install
// script runs: all of them ship their binaries. The stamp is written last: a set-up that was cut short is done again.
var childProcess = require("child_process");
var fs = require("fs");
var path = require("path");

var root = path.dirname(__dirname);
var lockfile = path.join(root, "package-lock.json");
var stamp = path.join(root, "node_modules", ".rainbow-package-lock.json");
var child;
var stoppedBy;

function say(text) {
  process.stderr.write("rainbow: " + text + "\n");
}

function stop(signal) {
  stoppedBy = signal;
  if (child) child.kill(signal);
}
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
process.on("SIGHUP", stop);

/** The Node that npm brought for this machine; undefined where there is none or it cannot run here. */
function broughtNode() {
  var file = path.join(root, "node_modules", "node-" + process.platform + "-" + process.arch, "bin", "node");
  var answer = childProcess.spawnSync(file, ["--version"], { encoding: "utf8" });
  return answer.status === 0 ? file : undefined;
}

/** npm as [program, first arguments]: the one that started us, else the one on the PATH. */
function npmCommand(node) {
  var npm = process.env.npm_execpath;
  if (npm && npm.slice(-10) === "npm-cli.js" && fs.existsSync(npm)) return [node, [npm]];
  return ["npm", []];
}

/** Whether the tools' `engines` (20.19, 22.12, 23 and newer) take this Node; npm silently leaves their binaries out where not. */
function toolsSupport(version) {
  var parts = version.split(".").map(Number);
  return parts[0] >= 23 || (parts[0] === 22 && parts[1] >= 12) || (parts[0] === 20 && parts[1] >= 19);
}

function install(node, done) {
  var npm = npmCommand(node);
  var wanted = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];
  var env = Object.assign({}, process.env, { PATH: path.dirname(node) + path.delimiter + process.env.PATH, NODE_NO_WARNINGS: "1" });
  child = childProcess.spawn(npm[0], npm[1].concat(wanted), { cwd: root, env: env, stdio: ["ignore", 2, "pipe"] });
  var complaints = ""; // Held back: npm also complains when it is stopped by Ctrl-C, which is no error.
  child.stderr.on("data", function (bytes) {
    complaints += bytes;
  });
  child.on("error", function (error) {
    say("npm could not be started (" + error.message + "). Install npm and try again.");
    process.exit(1);
  });
  child.on("close", function (code, signal) {
    if (stoppedBy) process.exit(stoppedBy === "SIGINT" ? 130 : 143);
    process.stderr.write(complaints);
    if (code !== 0) {
      say("npm ci failed in " + root + (signal ? " (" + signal + ")" : "") + "; see its messages above, and try again.");
      process.exit(1);
    }
    done();
  });
}

/** What cannot be built now is no obstacle: Rainbow runs without the addon, and says what it then cannot keep. */
function buildAddon(node) {
  var script = path.join(root, "bin", "build-native.mjs");
  if (!fs.existsSync(path.join(root, "native", "binding.gyp"))) return;
  say("building the native addon ...");
  child = childProcess.spawn(node, [script], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  var output = "";
  child.stdout.on("data", function (bytes) {
    output += bytes;
  });
  child.on("close", function (code) {
    if (stoppedBy) process.exit(stoppedBy === "SIGINT" ? 130 : 143);
    if (code === 3)
      say(
        "the native addon was not built: " +
          output.trim() +
          ". Rainbow runs without it; with it: apt-get install g++ make python3, then bin/node24 bin/build-native.mjs",
      );
    else if (code !== 0) say("the native addon could not be built ('npm test -- static' shows why). Rainbow runs without it.");
    else say("the native addon is built.");
  });
}

function finish() {
  fs.copyFileSync(lockfile, stamp);
  say("the packages are installed.");
  buildAddon(broughtNode() || process.execPath);
}

say("installing the packages of package-lock.json into " + path.join(root, "node_modules") + " (once; well under a minute) ...");
install(process.execPath, function () {
  var node = broughtNode();
  if (toolsSupport(process.versions.node) || !node) return finish();
  // npm leaves out optional packages that do not support the Node it runs under; the tools' binaries are among them. The running
  // binary is below node_modules, which npm ci empties first, so it is copied.
  var copy = path.join(root, ".set-up-node");
  fs.copyFileSync(node, copy);
  process.on("exit", function () {
    fs.unlinkSync(copy);
  });
  say("once more under Node 24, as npm left out what Node " + process.versions.node + " cannot run ...");
  install(copy, finish);
});
