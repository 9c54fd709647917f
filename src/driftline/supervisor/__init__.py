"""Behind `driftline up`: the services as child processes, kept alive and stopped in order.

ports.py    is a port free, and who holds it
leash.py    a process that ends when its parent dies
child.py    one service: its process, its log, its health
watch.py    all of them: start in order, restart after a crash, stop in reverse
lock.py     one run at a time in a data directory
stack.py    which services there are, and the keys they need
"""

from .child import ServiceFailed as ServiceFailed
from .ports import PortTaken as PortTaken
from .stack import Stack as Stack
from .stack import StackSettings as StackSettings
from .watch import Stopped as Stopped
from .watch import Supervisor as Supervisor
