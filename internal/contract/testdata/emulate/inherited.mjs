// Makes the server that is started next listen on the socket that the test has opened, as file descriptor 3: its own
// command line knows only a port on every address. It also ends the process when the test has gone.
import net from "node:net";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function () {
  return listen.call(this, { fd: 3 });
};
process.stdin.on("end", () => process.exit(0)).resume();
